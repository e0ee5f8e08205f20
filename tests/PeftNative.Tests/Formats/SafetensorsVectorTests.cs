using System.Text;
using PeftNative.Formats.Safetensors;
using Xunit;

namespace PeftNative.Tests.Formats;

/// <summary>
/// Hand-made files with the verdict each must get: null for "opens", else a part of the error's first sentence.
/// </summary>
public class SafetensorsVectorTests
{
    private const string One = """{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""";

    private static string Entry(string dtype, string shape, string offsets) =>
        "{" + SafetensorsBytes.Entry("a", dtype, shape, offsets) + "}";

    public static TheoryData<string, byte[], string?> Vectors()
    {
        var data = new TheoryData<string, byte[], string?>();
        void Add(string name, string header, int bytes, string? error) =>
            data.Add(name, SafetensorsBytes.Frame(header, bytes), error);
        void Raw(string name, byte[] file, string? error) => data.Add(name, file, error);

        // What is allowed.
        Add("one tensor", One, 1, null);
        Add("no tensors", "{}", 0, null);
        Add("only metadata", """{"__metadata__":{"a":"b"}}""", 0, null);
        Add("empty metadata", """{"__metadata__":{}}""", 0, null);
        Add("no metadata at all", """{"__metadata__":null}""", 0, null);
        Add("no metadata at all, twice", """{"__metadata__":null,"__metadata__":null}""", 0, "appears twice");
        Add("metadata of null", """{"__metadata__":{"a":null}}""", 0, "must be text");
        Add("metadata last", """{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"__metadata__":{"a":"b"}}""", 1,
            null);
        Add("leading white space", " \n\t\r" + One, 1, null);
        Add("trailing spaces", One + "      ", 1, null);
        Add("trailing other white space", One + "\n\t\r", 1, null);
        Add("white space inside", One.Replace(":", " : "), 1, null);
        Add("scalar", Entry("\"F32\"", "[]", "[0,4]"), 4, null);
        Add("zero-sized", Entry("\"F32\"", "[3,0,2]", "[0,0]"), 0, null);
        Add("zero times huge", Entry("\"F32\"", "[0,9223372036854775807]", "[0,0]"), 0, null);
        Add("rank 8", Entry("\"U8\"", "[1,1,1,1,1,1,1,1]", "[0,1]"), 1, null);
        Add("fields in another order", """{"a":{"data_offsets":[0,1],"shape":[1],"dtype":"U8"}}""", 1, null);
        Add("unknown field ignored", """{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"note":{"x":[1]}}}""", 1,
            null);
        Add("empty tensor name", """{"":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""", 1, null);
        Add("escaped name", """{"\u00e9\n":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""", 1, null);
        Add("names in any order", Two("[1,2]", "[0,1]"), 2, null);
        Add("two empty tensors at one place", Two("[0,0]", "[0,0]", "[0]", "[0]"), 0, null);
        Add("empty tensor between", Two("[0,1]", "[1,1]", "[1]", "[0]"), 1, null);
        Add("even number of F4", Entry("\"F4\"", "[2,3]", "[0,3]"), 3, null);
        Add("four F6", Entry("\"F6_E2M3\"", "[4]", "[0,3]"), 3, null);
        foreach (var type in Enum.GetValues<StoredType>())
            Add($"8 of {type.Name()}", Entry($"\"{type.Name()}\"", "[8]", $"[0,{type.Bits()}]"), type.Bits(), null);

        // The frame.
        Raw("empty file", [], "too short");
        Raw("seven bytes", new byte[7], "too short");
        Raw("length zero", new byte[8], "not valid JSON");
        Raw("length beyond the file", [9, 0, 0, 0, 0, 0, 0, 0, (byte)'{', (byte)'}'], "truncated");
        Raw("length beyond the limit", [.. BitConverter.GetBytes(100_000_001L), 1, 2], "the limit is 100000000");
        Raw("length of 2^64-1", [.. BitConverter.GetBytes(ulong.MaxValue), (byte)'{', (byte)'}'],
            "the limit is 100000000");
        Raw("length of 2^63", [.. BitConverter.GetBytes(1UL << 63), (byte)'{', (byte)'}'], "the limit is 100000000");
        Raw("byte order mark", SafetensorsBytes.Frame("\ufeff" + One, 1), "byte order mark");
        Raw("not UTF-8", SafetensorsBytes.Frame([.. "{\""u8, 0xFF, .. "\":1}"u8], []), "not valid UTF-8");
        Raw("UTF-16", SafetensorsBytes.Frame(Encoding.Unicode.GetBytes(One), [0]), "not valid JSON");
        Raw("git-lfs pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"u8.ToArray(),
            "git-lfs pointer");
        Raw("HTML", "<!DOCTYPE html><html><body>404</body></html>"u8.ToArray(), "HTML page");
        Raw("HTML after white space", "\n\n  <html><body>404</body></html>"u8.ToArray(), "HTML page");
        Raw("zip", [.. "PK\u0003\u0004"u8, .. new byte[40], 0xFF], "zip archive");
        Raw("pickle", [0x80, 2, (byte)'}', (byte)'q', 0, (byte)'.', 1, 2, 3], "the limit is 100000000");

        // The JSON.
        Add("array", "[]", 0, "not a JSON object");
        Add("text", "\"a\"", 0, "not a JSON object");
        Add("unfinished", One[..^1], 1, "not valid JSON");
        Add("garbage after", One + "x", 1, "not valid JSON");
        Add("second value after", One + "{}", 1, "not valid JSON");
        Add("zero byte padding", One + "\0", 1, "not valid JSON");
        Add("comment", "/**/" + One, 1, "not valid JSON");
        Add("trailing comma", """{"a":{"dtype":"U8","shape":[1,],"data_offsets":[0,1]}}""", 1, "not valid JSON");
        Add("single quotes", One.Replace('"', '\''), 1, "not valid JSON");
        Add("half a surrogate", """{"\ud800":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""", 1,
            "half a surrogate pair");
        Add("too deep", """{"a":{"x":""" + new string('[', 40) + new string(']', 40) + "}}", 0, "not valid JSON");
        Add("duplicate name", $"{One[..^1]},{One[1..]}", 1, "appears twice");
        Add("duplicate name by escape", One[..^1] + "," + One[1..].Replace("\"a\"", "\"\\u0061\""), 1, "appears twice");
        Add("duplicate metadata", """{"__metadata__":{},"__metadata__":{}}""", 0, "appears twice");
        Add("duplicate key in metadata", """{"__metadata__":{"a":"1","a":"2"}}""", 0, "appears twice");
        Add("duplicate dtype", """{"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}""", 1,
            "'dtype' appears twice");
        Add("duplicate shape", """{"a":{"dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]}}""", 1,
            "'shape' appears twice");
        Add("metadata not an object", """{"__metadata__":[]}""", 0, "must be an object of text");
        Add("metadata of numbers", """{"__metadata__":{"a":1}}""", 0, "must be text");
        Add("metadata nested", """{"__metadata__":{"a":{}}}""", 0, "must be text");

        // The entries.
        Add("entry not an object", """{"a":[1]}""", 0, "entry must be an object");
        Add("entry null", """{"a":null}""", 0, "entry must be an object");
        Add("no dtype", """{"a":{"shape":[1],"data_offsets":[0,1]}}""", 1, "no dtype");
        Add("no shape", """{"a":{"dtype":"U8","data_offsets":[0,1]}}""", 1, "no shape");
        Add("no offsets", """{"a":{"dtype":"U8","shape":[1]}}""", 1, "no data_offsets");
        Add("unknown dtype", Entry("\"F128\"", "[1]", "[0,16]"), 16, "Unknown dtype 'F128'");
        Add("dtype in lower case", Entry("\"f32\"", "[1]", "[0,4]"), 4, "Unknown dtype");
        Add("dtype a number", Entry("7", "[1]", "[0,4]"), 4, "dtype must be text");
        Add("dtype null", Entry("null", "[1]", "[0,4]"), 4, "dtype must be text");
        Add("shape a number", Entry("\"U8\"", "1", "[0,1]"), 1, "shape must be an array");
        Add("shape negative", Entry("\"U8\"", "[-1]", "[0,1]"), 1, "shape must hold whole numbers");
        Add("shape minus zero", Entry("\"U8\"", "[-0]", "[0,0]"), 0, "shape must hold whole numbers");
        Add("shape a fraction", Entry("\"U8\"", "[1.0]", "[0,1]"), 1, "shape must hold whole numbers");
        Add("shape with exponent", Entry("\"U8\"", "[1e0]", "[0,1]"), 1, "shape must hold whole numbers");
        Add("shape of text", Entry("\"U8\"", "[\"1\"]", "[0,1]"), 1, "shape must hold whole numbers");
        Add("shape of 2^64", Entry("\"U8\"", "[18446744073709551616]", "[0,1]"), 1, "shape must hold whole numbers");
        Add("shape nested", Entry("\"U8\"", "[[1]]", "[0,1]"), 1, "shape must hold whole numbers");
        Add("rank 9", Entry("\"U8\"", "[1,1,1,1,1,1,1,1,1]", "[0,1]"), 1, "more than 8 dimensions");
        Add("product wraps to 2^64-4", Entry("\"U8\"", "[2,18446744073709551614]", "[0,1]"), 1,
            "shape must hold whole numbers");
        Add("product overflows", Entry("\"U8\"", "[2,9223372036854775807]", "[0,1]"), 1, "is not possible");
        Add("bytes overflow", Entry("\"F64\"", "[2305843009213693952]", "[0,0]"), 0, "is not possible");
        Add("product overflows, then zero", Entry("\"U8\"", "[9223372036854775807,3,0]", "[0,0]"), 0,
            "is not possible");
        Add("odd number of F4", Entry("\"F4\"", "[3]", "[0,2]"), 2, "is not possible");
        Add("three F6", Entry("\"F6_E3M2\"", "[3]", "[0,3]"), 3, "is not possible");
        Add("one offset", Entry("\"U8\"", "[1]", "[0]"), 1, "data_offsets must hold");
        Add("three offsets", Entry("\"U8\"", "[1]", "[0,1,2]"), 1, "array of two numbers");
        Add("offsets an object", Entry("\"U8\"", "[1]", "{}"), 1, "array of two numbers");
        Add("offsets negative", Entry("\"U8\"", "[1]", "[-1,0]"), 1, "data_offsets must hold");
        Add("offsets backwards", Entry("\"U8\"", "[0]", "[1,0]"), 1, "run backwards");
        Add("offsets of 2^63", Entry("\"U8\"", "[1]", "[9223372036854775807,9223372036854775808]"), 1,
            "data_offsets must hold");
        Add("too few bytes for the shape", Entry("\"F32\"", "[2]", "[0,4]"), 4, "takes 8 bytes, data_offsets give 4");
        Add("too many bytes for the shape", Entry("\"F32\"", "[1]", "[0,8]"), 8, "takes 4 bytes, data_offsets give 8");
        Add("bytes for an empty shape", Entry("\"F32\"", "[0]", "[0,4]"), 4, "takes 0 bytes");

        // The data.
        Add("data missing", One, 0, "truncated");
        Add("far beyond the file", Entry("\"U8\"", "[1099511627776]", "[0,1099511627776]"), 1, "truncated");
        Add("a byte too many", One, 2, "1 bytes follow the last tensor");
        Add("data without tensors", "{}", 5, "5 bytes follow");
        Add("hole at the start", Entry("\"U8\"", "[1]", "[1,2]"), 2, "belong to no tensor");
        Add("hole between", Two("[0,1]", "[2,3]"), 3, "Bytes 1 to 2 of the data belong to no tensor");
        Add("overlap", Two("[0,2]", "[1,3]", "[2]", "[2]"), 3, "overlap");
        Add("the same bytes twice", Two("[0,1]", "[0,1]"), 1, "overlap");
        Add("empty tensor inside another", Two("[0,2]", "[1,1]", "[2]", "[0]"), 2, "overlap");
        return data;

        static string Two(string first, string second, string shape = "[1]", string other = "[1]") =>
"{" + SafetensorsBytes.Entry("a", "\"U8\"", shape, first) + ","
            + SafetensorsBytes.Entry("b", "\"U8\"", other, second) + "}";
    }

    [Theory]
    [MemberData(nameof(Vectors), DisableDiscoveryEnumeration = true)]
    public void Every_vector_gets_its_verdict(string name, byte[] file, string? error)
    {
        if (error is null)
        {
            SafetensorsHeader.Parse(file, file.Length, name);
            return;
        }
        var e = Assert.Throws<ModelFormatException>(() =>
            SafetensorsHeader.Parse(file, file.Length, "dir/x.safetensors"));
        Assert.Contains(error, e.What);
        Assert.StartsWith("dir/x.safetensors", e.Where);
        Assert.NotNull(e.Remedy);
    }

    [Fact]
    public void The_error_names_the_tensor_without_its_control_characters()
    {
        var file = SafetensorsBytes.Frame("{\"x\\u001b[2J" + new string('y', 5000)
            + "\":{\"dtype\":\"Q\",\"shape\":[],\"data_offsets\":[0,0]}}", 0);
        var e = Assert.Throws<ModelFormatException>(() => SafetensorsHeader.Parse(file, file.Length, "f"));
        Assert.StartsWith("f, tensor 'x?[2Jyyy", e.Where);
        Assert.True(e.Message.Length < 400);
    }

    [Trait("Pace", "slow")]
    [Fact]
    public void A_million_tensors_are_read_and_one_more_is_refused()
    {
        var header = new StringBuilder("{", 60 * SafetensorsHeader.MaxTensors);
        for (var i = 0; i < SafetensorsHeader.MaxTensors; i++)
            header.Append('"').Append(i).Append("\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},");
        var most = SafetensorsBytes.Frame(header.ToString(0, header.Length - 1) + "}", 0);
        Assert.Equal(SafetensorsHeader.MaxTensors, SafetensorsHeader.Parse(most, most.Length).Tensors.Length);
        header.Append("\"more\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}");
        var more = SafetensorsBytes.Frame(header.ToString(), 0);
        var e = Assert.Throws<ModelFormatException>(() => SafetensorsHeader.Parse(more, more.Length));
        Assert.Contains("more than 1000000 tensors", e.What);
    }

    [Fact]
    public void Opening_reports_missing_files_folders_and_empty_files()
    {
        using var scratch = new ScratchFolder();
        Assert.Contains("no such file", Assert.Throws<StorageException>(() =>
            SafetensorsFile.Open(scratch.File("none"))).What);
        Assert.Throws<StorageException>(() => SafetensorsFile.Open(scratch.Root));
        Assert.Contains("too short", Assert.Throws<ModelFormatException>(() =>
            SafetensorsFile.Open(scratch.Write("e", []))).What);
        Assert.Contains("git-lfs", Assert.Throws<ModelFormatException>(() =>
            SafetensorsFile.Open(scratch.Write("p", "version https://git-lfs.github.com/spec/v1\n"))).What);
    }

    [Fact]
    public void A_tensor_beyond_two_gigabytes_is_read_in_parts()
    {
        using var scratch = new ScratchFolder();
        const long length = 3_000_000_000;
        var path = scratch.File("large.safetensors");
        using (var stream = File.Create(path))
        {
            stream.Write(SafetensorsBytes.Frame(Entry("\"F32\"", $"[{length / 4}]", $"[0,{length}]"), 0));
            stream.SetLength(stream.Position + length); // sparse: takes no space
            stream.Position = stream.Length - 4;
            stream.Write(BitConverter.GetBytes(2.5f));
        }
        using var file = SafetensorsFile.Open(path);
        var tensor = file.Get("a");
        Assert.Throws<ResourceException>(() => file.Bytes(tensor).Length);
        var last = new float[3];
        file.ReadAs(tensor, last, tensor.ElementCount - 3);
        Assert.Equal([0, 0, 2.5f], last);
        Assert.Throws<ArgumentOutOfRangeException>(() => file.ReadAs(tensor, last, tensor.ElementCount - 2));
    }
}
