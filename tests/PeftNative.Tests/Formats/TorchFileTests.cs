using System.IO.Compression;
using System.Runtime.InteropServices;
using PeftNative.Formats;
using PeftNative.Formats.Safetensors;
using PeftNative.Formats.Torch;
using Xunit;

namespace PeftNative.Tests.Formats;

/// <summary>Files of torch.save: their tensors are read, and nothing else that a pickle can ask for.</summary>
public sealed class TorchFileTests : IDisposable
{
    private static readonly float[] Numbers = [.. Enumerable.Range(0, 12).Select(i => i - 3.5f)];
    private static readonly Dictionary<string, (string Type, long Count)> OneStorage =
        new() { ["0"] = ("FloatStorage", Numbers.Length) };

    private readonly ScratchFolder scratch = new();

    public static TheoryData<string, string> Refused => new()
    {
        { "cposix\nsystem\n(U\u0002lstR", "posix.system" },
        { "cbuiltins\neval\n", "builtins.eval" },
        { "c__builtin__\ngetattr\n", "__builtin__.getattr" },
        { "ctorch._utils\n_rebuild_tensor_v3\n", "torch._utils._rebuild_tensor_v3" },
        { "(icollections\nOrderedDict\n", "INST" },
        { "ccollections\nOrderedDict\n)\u0081", "NEWOBJ" },
        { "(U\u0001a)o", "OBJ" },
        { "}2", "DUP" },
        { "U\u0001aU\u0001bQ", "storage" },
        { "(K\u0001tQ", "storage" },
        { "]}b", "state" },
        { "}K\u0001K\u0002s", "keys" },
        { "h\u0007", "damaged" },
        { "u", "damaged" },
        { "})R", "damaged" },
        { "(((}", "damaged" },
        { "X\u00ff\u00ff\u00ff\u00ff", "limit" },
        { "\u008a\u0020" + "00000000000000000000000000000000", "128 bits" },
        { "}U\u0001aK\u0001s", "no tensor" },
        { "}U\u0005state}s", "dictionary under 'state'" },
        { "]", "no dictionary" },
        { new string('(', 100), "too deeply" },
    };

    public void Dispose() => scratch.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Views_of_one_storage_have_their_numbers(bool isOld)
    {
        TorchView[] views =
        [
            new("whole", "0", 0, [3, 4], [4, 1]), new("part", "0", 5, [2, 2], [2, 1]),
            new("turned", "0", 0, [4, 3], [1, 4]),
            new("gaps", "0", 1, [2, 2], [8, 2]), new("one", "0", 11, [], []), new("single", "0", 3, [1, 2], [99, 1]),
            new("none", "0", 12, [0, 4], [4, 1]),
        ];
        using var file = TensorFiles.Open(Write(views, isOld));
        Assert.IsType<TorchFile>(file);
        float[] Of(params int[] places) => [.. places.Select(p => Numbers[p])];
        Assert.Equal(Numbers, Read(file, "whole"));
        Assert.Equal(Of(5, 6, 7, 8), Read(file, "part"));
        Assert.Equal(Of(0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11), Read(file, "turned"));
        Assert.Equal(Of(1, 3, 9, 11), Read(file, "gaps"));
        Assert.Equal(Of(11), Read(file, "one"));
        Assert.Equal(Of(3, 4), Read(file, "single"));
        Assert.Empty(Read(file, "none"));
        Assert.Equal([4, 3], file.Get("turned").Shape);
    }

    [Theory]
    [InlineData("HalfStorage", StoredType.F16)]
    [InlineData("BFloat16Storage", StoredType.BF16)]
    [InlineData("DoubleStorage", StoredType.F64)]
    [InlineData("FloatStorage", StoredType.F32)]
    public void Types_are_read(string storage, StoredType type)
    {
        using var stream = new MemoryStream();
        if (type == StoredType.F64) stream.Write(MemoryMarshal.AsBytes<double>([.. Numbers.Select(n => (double)n)]));
        else SafetensorsWriter.WriteSingles(stream, Numbers, type);
        var pickle = TorchBytes.Dictionary([new("a", "s", 0, [4, 3], [1, 4])], new() { ["s"] = (storage, 12) });
        using var file = TorchFile.Open(scratch.Write("a.bin", TorchBytes.Zip(pickle, [("s", stream.ToArray())])));
        Assert.Equal(type, file.Get("a").Type);
        Assert.Equal(Enumerable.Range(0, 12).Select(i => Numbers[i % 3 * 4 + i / 3]), Read(file, "a"));
    }

    [Theory]
    [InlineData(0, new long[] { 13 }, new long[] { 1 })]
    [InlineData(1, new long[] { 3, 4 }, new long[] { 4, 1 })]
    [InlineData(0, new long[] { 2 }, new long[] { 12 })]
    [InlineData(-1, new long[] { 2 }, new long[] { 1 })]
    [InlineData(0, new long[] { -2 }, new long[] { 1 })]
    [InlineData(11, new long[] { 2 }, new long[] { -1 })]
    [InlineData(0, new long[] { 100 }, new long[] { 0 })]
    [InlineData(0, new long[] { 2, 1L << 62 }, new long[] { 1, 1 })]
    [InlineData(0, new[] { 2L }, new[] { long.MaxValue })]
    [InlineData(0, new long[] { 2 }, new long[] { 1, 1 })]
    [InlineData(long.MaxValue, new long[] { 1 }, new long[] { 1 })]
    public void Views_beyond_their_storage_are_refused(long offset, long[] sizes, long[] strides)
    {
        foreach (var isOld in new[] { false, true })
            Assert.Contains("no view of its storage",
                Refusal(Write([new("a", "0", offset, sizes, strides)], isOld)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Refused))]
    public void Anything_but_tensors_is_refused_by_name(string instructions, string named)
    {
        var pickle = new TorchBytes.Pickle().Raw(instructions).Done();
        foreach (var bytes in new[] { TorchBytes.Zip(pickle, []), TorchBytes.Old(pickle, []) })
        {
            var error = Refusal(scratch.Write("bad.bin", bytes));
            Assert.Contains(named, error.Message, StringComparison.Ordinal);
            Assert.Contains("bad.bin", error.Where, StringComparison.Ordinal);
            Assert.Equal(4, error.ExitCode);
        }
    }

    [Fact]
    public void A_compressed_archive_missing_numbers_and_other_files_are_refused()
    {
        var pickle = TorchBytes.Dictionary([new("a", "0", 0, [12], [1])], OneStorage);
        var data = MemoryMarshal.AsBytes<float>(Numbers).ToArray();
        Assert.Contains("compressed", Text(TorchBytes.Zip(pickle, [("0", data)], CompressionLevel.Optimal)));
        Assert.Contains("not all there", Text(TorchBytes.Zip(pickle, [("0", data[4..])])));
        Assert.Contains("not all there", Text(TorchBytes.Zip(pickle, [])));
        Assert.Contains("not a file", Text([1, 2, 3]));
        Assert.Contains("git-lfs", Text([.. "version https://git-lfs.github.com/spec/v1"u8]));
        Assert.Contains("not a file", Text([]));

        string Text(byte[] bytes) => Refusal(scratch.Write("bad.bin", bytes)).Message;
    }

    [Fact]
    public void Copies_of_views_take_no_more_than_a_few_times_the_file()
    {
        var views = Enumerable.Range(0, 4000).Select(i => new TorchView($"{i}", "0", 0, [200, 200], [1, 200]));
        var pickle = TorchBytes.Dictionary(views, new() { ["0"] = ("ByteStorage", 40_000) });
        Assert.Contains("more than the file",
            Refusal(scratch.Write("many.bin", TorchBytes.Zip(pickle, [("0", new byte[40_000])]))).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Whatever_the_bytes_a_file_is_read_or_refused()
    {
        TorchView[] views =
            [new("a", "0", 0, [3, 4], [4, 1]), new("b", "0", 1, [2, 3], [1, 3]), new("c", "0", 0, [], [])];
        byte[][] corpus = [File.ReadAllBytes(Write(views, false)), File.ReadAllBytes(Write(views, true))];
        var mutator = new Mutator(20261201, corpus);
        int read = 0, refused = 0;
        for (var i = 0; i < 2000; i++)
        {
            var path = scratch.Write("mutant.bin", mutator.Next());
            try
            {
                using var file = TorchFile.Open(path);
                foreach (var tensor in file.Tensors)
                {
                    Assert.True(tensor.Type.TryByteLength(tensor.Shape.AsSpan(), out var bytes));
                    Assert.Equal(bytes, tensor.ByteLength);
                    foreach (var value in file.Bytes(tensor)) read += value & 0;
                }
                read++;
            }
            catch (ModelFormatException e)
            {
                Assert.Contains("mutant.bin", e.Where, StringComparison.Ordinal);
                refused++;
            }
        }
        Assert.True(read > 100 && refused > 500, $"{read} read, {refused} refused");
    }

    [Fact]
    public void A_file_cut_at_any_byte_is_refused()
    {
        foreach (var isOld in new[] { false, true })
        {
            var bytes = File.ReadAllBytes(Write([new("a", "0", 0, [3, 4], [4, 1])], isOld));
            for (var length = 0; length < bytes.Length; length++) Refusal(scratch.Write("cut.bin", bytes[..length]));
        }
    }

    private static ModelFormatException Refusal(string path) =>
        Assert.Throws<ModelFormatException>(() => TorchFile.Open(path).Dispose());

    private string Write(TorchView[] views, bool isOld)
    {
        var data = MemoryMarshal.AsBytes<float>(Numbers).ToArray();
        var pickle = TorchBytes.Dictionary(views, OneStorage, isOld);
        return scratch.Write(isOld ? "old.bin" : "zip.bin",
            isOld ? TorchBytes.Old(pickle, [("0", 4, data)]) : TorchBytes.Zip(pickle, [("0", data)]));
    }

    private static float[] Read(TensorFile file, string name)
    {
        var values = new float[file.Get(name).ElementCount];
        file.ReadAs(file.Get(name), values);
        return values;
    }
}
