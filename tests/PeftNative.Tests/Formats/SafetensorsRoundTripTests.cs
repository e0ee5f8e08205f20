using System.Buffers.Binary;
using System.Text;
using PeftNative.Formats.Safetensors;
using PeftNative.Tensors;
using Xunit;

namespace PeftNative.Tests.Formats;

public class SafetensorsRoundTripTests
{
    [Fact]
    public void A_written_file_has_the_bytes_of_the_reference_writer()
    {
        var writer = SafetensorsWriter.ForPyTorch();
        writer.Add("b.weight", StoredType.F16, [1], new byte[] { 1, 2 });
        writer.Add("z", [2], new float[] { 1f, -2f });
        writer.Add("a\"é", StoredType.BF16, [], new byte[] { 0x80, 0x3F });
        writer.Add("a", [0, 3], ReadOnlyMemory<float>.Empty);
        using var stream = new MemoryStream();
        writer.WriteTo(stream);

        const string header = "{\"__metadata__\":{\"format\":\"pt\"},"
            + "\"a\":{\"dtype\":\"F32\",\"shape\":[0,3],\"data_offsets\":[0,0]},"
            + "\"z\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
            + "\"a\\\"é\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[8,10]},"
            + "\"b.weight\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[10,12]}}";
        var bytes = stream.ToArray();
        var length = (int)BinaryPrimitives.ReadInt64LittleEndian(bytes);
        Assert.Equal(0, length % 8);
        Assert.Equal(header, Encoding.UTF8.GetString(bytes, 8, length).TrimEnd(' '));
        Assert.Equal("0000803F000000C0803F0102", Convert.ToHexString(bytes, 8 + length, bytes.Length - 8 - length));
    }

    [Fact]
    public void Every_stored_type_scalars_and_empty_tensors_survive_a_round_trip()
    {
        using var scratch = new ScratchFolder();
        var random = new Random(7);
        var expected = new Dictionary<string, byte[]>();
        var writer = new SafetensorsWriter(new Dictionary<string, string> { ["k\n"] = "v😀", ["format"] = "pt" });
        foreach (var type in Enum.GetValues<StoredType>())
            foreach (var (suffix, shape) in new (string, long[])[] { ("odd", [4, 3]), ("empty", [5, 0]),
                ("four", [4]) })
            {
                Assert.True(type.TryByteLength(shape, out var length));
                var bytes = new byte[length];
                random.NextBytes(bytes);
                writer.Add($"{type.Name()}.{suffix}", type, shape, bytes);
                expected.Add($"{type.Name()}.{suffix}", bytes);
            }
        writer.Add("scalar", StoredType.U8, [], new byte[] { 9 });
        writer.Save(scratch.File("x.safetensors"));

        using var file = SafetensorsFile.Open(scratch.File("x.safetensors"));
        Assert.Equal("v😀", file.Metadata["k\n"]);
        Assert.Equal(expected.Count + 1, file.Tensors.Length);
        foreach (var (name, bytes) in expected) Assert.Equal(bytes, file.Bytes(file.Get(name)).ToArray());
        Assert.Equal(9, file.Bytes(file.Get("scalar"))[0]);
        Assert.Equal(1, file.Get("scalar").ElementCount);
        Assert.Equal(["x.safetensors"], Directory.GetFileSystemEntries(scratch.Root).Select(Path.GetFileName));
    }

    [Fact]
    public void Floats_at_unaligned_positions_are_read()
    {
        using var scratch = new ScratchFolder();
        string[] entries =
        [
            SafetensorsBytes.Entry("a", "\"U8\"", "[1]", "[0,1]"),
            SafetensorsBytes.Entry("f", "\"F32\"", "[3]", "[1,13]"),
            SafetensorsBytes.Entry("h", "\"F16\"", "[1]", "[13,15]"),
            SafetensorsBytes.Entry("b", "\"BF16\"", "[1]", "[15,17]"),
            SafetensorsBytes.Entry("d", "\"F64\"", "[1]", "[17,25]"),
        ];
        var header = $"{{{string.Join(',', entries)}}}";
        byte[] data = [7, .. BitConverter.GetBytes(1.5f), .. BitConverter.GetBytes(-2f), .. BitConverter.GetBytes(3f),
            .. BitConverter.GetBytes((Half)0.5f), 0x80, 0xBF, .. BitConverter.GetBytes(0.1)];
        var path = scratch.Write("u.safetensors", SafetensorsBytes.Frame(header, data));
        using var file = SafetensorsFile.Open(path);
        float[] Read(string name)
        {
            var values = new float[file.Get(name).ElementCount];
            file.ReadAs(file.Get(name), values);
            return values;
        }
        Assert.Equal([1.5f, -2f, 3f], Read("f"));
        Assert.Equal([0.5f], Read("h"));
        Assert.Equal([-1f], Read("b"));
        Assert.Equal([0.1f], Read("d"));
        var middle = new float[1];
        file.ReadAs(file.Get("f"), middle, first: 1);
        Assert.Equal([-2f], middle);
        var e = Assert.Throws<ModelFormatException>(() => Read("a"));
        Assert.Contains("U8", e.What);
        Assert.Contains("tensor 'a'", e.Where);
    }

    [Fact]
    public void Singles_are_stored_in_the_type_asked_for()
    {
        using var scratch = new ScratchFolder();
        var values = Enumerable.Range(0, 600_000).Select(i => i / 7f).ToArray(); // more than one chunk of the writer
        var writer = new SafetensorsWriter();
        foreach (var type in new[] { StoredType.F32, StoredType.BF16, StoredType.F64 })
            writer.Add(type.Name(), [2, values.Length / 2], values, type);
        writer.Save(scratch.File("f.safetensors"));
        using var file = SafetensorsFile.Open(scratch.File("f.safetensors"));
        Assert.Empty(file.Metadata);
        var read = new float[values.Length];
        foreach (var type in new[] { StoredType.F32, StoredType.F64, StoredType.BF16 })
        {
            file.ReadAs(file.Get(type.Name()), read);
            Assert.Equal(type == StoredType.BF16 ? [.. values.Select(v => (float)(BFloat16)v)] : values, read);
        }
    }

    [Fact]
    public void The_writer_refuses_what_no_reader_could_read()
    {
        var writer = new SafetensorsWriter();
        writer.Add("a", StoredType.U8, [1], new byte[1]);
        Assert.Throws<ArgumentException>(() => writer.Add("a", StoredType.U8, [1], new byte[1]));
        Assert.Throws<ArgumentException>(() => writer.Add("__metadata__", StoredType.U8, [1], new byte[1]));
        Assert.Throws<ArgumentException>(() => writer.Add("b", StoredType.U8, [2], new byte[1]));
        Assert.Throws<ArgumentException>(() => writer.Add("c", StoredType.F4, [3], _ => { }));
        Assert.Throws<ArgumentException>(() =>
            writer.Add("d", StoredType.U8, [1, 1, 1, 1, 1, 1, 1, 1, 1], new byte[1]));
        Assert.Throws<ArgumentException>(() => writer.Add("e", StoredType.U8, [-1], _ => { }));
        Assert.Throws<ArgumentException>(() => writer.Add("f\uD800", StoredType.U8, [1], new byte[1]));
        Assert.Throws<ArgumentException>(() => writer.Add("g", [1], new float[1], StoredType.I32));
        writer.Add("short", StoredType.U8, [4], stream => stream.WriteByte(1));
        Assert.Throws<InvalidOperationException>(() => writer.WriteTo(Stream.Null));
    }

    [Fact]
    public void A_file_replaced_while_it_is_mapped_keeps_its_old_bytes()
    {
        if (OperatingSystem.IsWindows()) Assert.Skip("Windows does not replace a mapped file.");
        using var scratch = new ScratchFolder();
        var path = scratch.File("m.safetensors");
        Save(path, 1f);
        using var old = SafetensorsFile.Open(path);
        Save(path, 2f);
        using var fresh = SafetensorsFile.Open(path);
        var value = new float[1];
        old.ReadAs(old.Get("w"), value);
        Assert.Equal(1f, value[0]);
        fresh.ReadAs(fresh.Get("w"), value);
        Assert.Equal(2f, value[0]);
        Assert.Throws<ArgumentException>(() => old.Bytes(fresh.Get("w")).Length);
        old.Dispose();
        Assert.Throws<ObjectDisposedException>(() => old.Bytes(old.Get("w")).Length);

        static void Save(string path, float value)
        {
            var writer = SafetensorsWriter.ForPyTorch();
            writer.Add("w", [1], new[] { value });
            writer.Save(path);
        }
    }
}

internal static class SafetensorsBytes
{
    /// <summary>One entry of a header; all but the name as JSON.</summary>
    public static string Entry(string name, string dtype, string shape, string offsets) =>
        $$"""
        "{{name}}":{"dtype":{{dtype}},"shape":{{shape}},"data_offsets":{{offsets}}}
        """;

    /// <summary>A file of a header's text and data.</summary>
    public static byte[] Frame(string header, byte[] data) => Frame(Encoding.UTF8.GetBytes(header), data);

    public static byte[] Frame(byte[] header, byte[] data) =>
        [.. BitConverter.GetBytes((long)header.Length), .. header, .. data];

    /// <summary>A file whose data is <paramref name="dataLength"/> zeros.</summary>
    public static byte[] Frame(string header, int dataLength) => Frame(header, new byte[dataLength]);
}
