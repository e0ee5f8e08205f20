using System.Text;
using System.Text.Json;
using PeftNative.Formats;
using PeftNative.Formats.Safetensors;
using Xunit;

namespace PeftNative.Tests.Formats;

public class WeightSourceTests
{
    private static byte[] Shard(params string[] names)
    {
        var writer = SafetensorsWriter.ForPyTorch();
        foreach (var name in names) writer.Add(name, [1], new float[] { name[0] });
        using var stream = new MemoryStream();
        writer.WriteTo(stream);
        return stream.ToArray();
    }

    private static string IndexOf(params (string Tensor, string Shard)[] map) =>
        "{\"weight_map\":{" + string.Join(",", map.Select(m => $"\"{m.Tensor}\":\"{m.Shard}\"")) + "}}";

    [Theory]
    [InlineData("qwen2-causal", "model.embed_tokens.weight", StoredType.F32)]
    [InlineData("mistral-causal", "model.embed_tokens.weight", StoredType.BF16)]
    [InlineData("gpt_neox-causal", "gpt_neox.embed_in.weight", StoredType.F16)]
    public void Recorded_checkpoints_open_whatever_their_layout_and_type(string name, string embedding, StoredType type)
    {
        using var source = WeightSource.Open(SharedFolder.PathOrSkip($"golden/bases/{name}"));
        Assert.Equal(type, source.Get(embedding).Type);
        foreach (var tensor in source.Tensors.Where(t => t.Type == type))
        {
            var values = new float[tensor.ElementCount];
            source.ReadAs(tensor.Name, values);
            Assert.True(values.Max(float.Abs) < 100, tensor.ToString());
            Assert.Contains(values, v => v != 0);
        }
    }

    [Fact]
    public void Recorded_files_are_written_again_byte_for_byte()
    {
        var files = Directory.GetFiles(SharedFolder.PathOrSkip("golden"), "*.safetensors", SearchOption.AllDirectories);
        Assert.NotEmpty(files);
        foreach (var path in files)
        {
            using var file = SafetensorsFile.Open(path);
            var writer = new SafetensorsWriter(file.Metadata);
            foreach (var tensor in file.Tensors.Reverse())
                writer.Add(tensor.Name, tensor.Type, tensor.Shape.AsSpan(), file.Bytes(tensor).ToArray());
            using var stream = new MemoryStream();
            writer.WriteTo(stream);
            Assert.True(stream.ToArray().AsSpan().SequenceEqual(File.ReadAllBytes(path)), path);
        }
    }

    [Fact]
    public void Shards_are_one_set_of_tensors()
    {
        using var scratch = new ScratchFolder();
        scratch.Write("model-1.safetensors", Shard("a", "c"));
        scratch.Write("model-2.safetensors", Shard("b"));
        scratch.Write("other.safetensors", Shard("z"));
        scratch.Write("model.safetensors.index.json",
            IndexOf(("a", "model-1.safetensors"), ("b", "model-2.safetensors"), ("c", "model-1.safetensors")));
        using var source = WeightSource.Open(scratch.Root);
        Assert.Equal(["a", "b", "c"], source.Tensors.Select(t => t.Name));
        Assert.Equal(12, source.ByteLength);
        var value = new float[1];
        source.ReadAs("b", value);
        Assert.Equal('b', value[0]);
        Assert.Equal(4, source.Bytes("c").Length);
        Assert.EndsWith("model-1.safetensors", source.FileOf("c").Path);
        Assert.Null(source.Find("z"));
        Assert.False(source.Contains("z"));
        Assert.Contains("'z'", Assert.Throws<ModelFormatException>(() => source.Get("z")).What);
    }

    public static TheoryData<string, string, string?> Indexes()
    {
        const string good = """{"weight_map":{"a":"s.safetensors"}}""";
        var data = new TheoryData<string, string, string?>
        {
            { "minimal", good, null },
            { "with metadata", """{"metadata":{"total_size":4},"weight_map":{"a":"s.safetensors"}}""", null },
            { "metadata of any kind", """{"metadata":null,"weight_map":{"a":"s.safetensors"},"more":[1]}""", null },
            { "usual names", """{"weight_map":{"a":"model-00001-of-00002.safetensors"}}""", null },
            { "space in the name", """{"weight_map":{"a":"my model.safetensors"}}""", null },
            { "dots in the name", """{"weight_map":{"a":"v1..2.safetensors"}}""", null },
            { "not an object", "[]", "must hold a JSON object" },
            { "no weight_map", """{"metadata":{}}""", "'weight_map' is missing" },
            { "weight_map null", """{"weight_map":null}""", "must be an object, found null" },
            { "weight_map a list", """{"weight_map":["s.safetensors"]}""", "must be an object, found a list" },
            { "weight_map empty", """{"weight_map":{}}""", "lists no tensors" },
            { "duplicate tensor", """{"weight_map":{"a":"s.safetensors","a":"t.safetensors"}}""", "'a' appears twice" },
            { "duplicate by escape", """{"weight_map":{"a":"s.safetensors","\u0061":"t.safetensors"}}""",
                "'a' appears twice" },
            { "duplicate weight_map", """{"weight_map":{"a":"s.safetensors"},"weight_map":{"b":"s.safetensors"}}""",
                "appears twice" },
            { "HTML", "<html></html>", "HTML page" },
            { "git-lfs", "version https://git-lfs.github.com/spec/v1", "git-lfs pointer" },
            { "byte order mark", "\ufeff" + good, "byte order mark" },
            { "unfinished", good[..^1], "Not valid JSON" },
            { "empty", "", "Not valid JSON" },
            { "trailing comma", """{"weight_map":{"a":"s.safetensors",}}""", "Not valid JSON" },
            { "half a surrogate in a value", """{"weight_map":{"a":"\ud800.safetensors"}}""", "surrogate" },
            { "too deep", "{\"weight_map\":" + new string('[', 40) + new string(']', 40) + "}", "Not valid JSON" },
        };
        foreach (var value in new[] { "1", "null", "true", "[\"s.safetensors\"]", "{\"file\":\"s.safetensors\"}" })
            data.Add($"value {value}", "{\"weight_map\":{\"a\":" + value + "}}", "must be a file name");
        foreach (var name in new[]
                 {
                     "../s.safetensors", "..\\s.safetensors", "/etc/s.safetensors", "C:\\s.safetensors",
                     "C:s.safetensors",
                     "sub/s.safetensors", "./s.safetensors", "sub\\s.safetensors", "\\\\host\\s.safetensors",
                     "s\0.safetensors",
                     "..", ".", "", "s.bin", "s.safetensors.bin", "pytorch_model.bin", ".safetensors",
                     ".hidden.safetensors",
                     "s.safetensors/", "s.safetensors ", "S.SAFETENSORS", "s?.safetensors", "s\n.safetensors",
                     "file:s.safetensors", new string('x', 300) + ".safetensors",
                 })
            data.Add($"name '{name}'", "{\"weight_map\":{\"a\":" + JsonSerializer.Serialize(name)
                + "}}", "is not the bare name");
        return data;
    }

    [Theory]
    [MemberData(nameof(Indexes), DisableDiscoveryEnumeration = true)]
    public void Every_index_gets_its_verdict(string name, string json, string? error)
    {
        if (error is null)
        {
            Assert.Single(ShardIndex.Parse(Encoding.UTF8.GetBytes(json), name).WeightMap);
            return;
        }
        var e = Assert.Throws<ModelFormatException>(() =>
            ShardIndex.Parse(Encoding.UTF8.GetBytes(json), "dir/index.json"));
        Assert.Contains(error, e.What);
        Assert.StartsWith("dir/index.json", e.Where);
    }

    [Theory]
    [InlineData("missing shard", "a=1 b=2", "1:a", "The shard 2.safetensors is missing")]
    [InlineData("tensor not in its shard", "a=1 b=1", "1:a", "which does not have it")]
    [InlineData("tensor in another shard", "a=1 b=1 c=2", "1:a 2:b,c", "which does not have it")]
    [InlineData("tensor in two shards", "a=1 b=2", "1:a 2:a,b", "lies in two shards")]
    [InlineData("tensor that is not listed", "a=1", "1:a,b", "does not list")]
    public void Shards_that_do_not_fit_their_index_are_refused(string what, string map, string shards, string error)
    {
        using var scratch = new ScratchFolder();
        foreach (var shard in shards.Split(' ').Select(s => s.Split(':')))
            scratch.Write($"{shard[0]}.safetensors", Shard(shard[1].Split(',')));
        scratch.Write("model.safetensors.index.json",
            IndexOf([.. map.Split(' ').Select(m => m.Split('=')).Select(m => (m[0], m[1] + ".safetensors"))]));
        var e = Assert.Throws<ModelFormatException>(() => WeightSource.Open(scratch.Root));
        Assert.True(e.What.Contains(error), $"{what}: {e.Message}");
        Assert.NotNull(e.Remedy);
    }

    [Fact]
    public void Links_out_of_the_folder_are_refused_except_into_a_hub_cache()
    {
        if (OperatingSystem.IsWindows()) Assert.Skip("Creating links needs a privilege on Windows.");
        using var scratch = new ScratchFolder();
        var index = IndexOf(("a", "s.safetensors"));
        var blob = scratch.Write("cache/blobs/0123abc", Shard("a"));
        scratch.Write("cache/snapshots/main/model.safetensors.index.json", index);
        File.CreateSymbolicLink(scratch.File("cache/snapshots/main/s.safetensors"), "../../blobs/0123abc");
        using (var source = WeightSource.Open(scratch.File("cache/snapshots/main"))) Assert.Equal(1, source.Count);

        scratch.Write("model/model.safetensors.index.json", index);
        File.CreateSymbolicLink(scratch.File("model/s.safetensors"), blob);
        var e = Assert.Throws<ModelFormatException>(() => WeightSource.Open(scratch.File("model")));
        Assert.Contains("outside the model folder", e.What);
    }

    [Fact]
    public void A_missing_folder_is_said_to_be_missing()
    {
        using var scratch = new ScratchFolder();
        Assert.Contains("no such folder", Assert.Throws<StorageException>(() => WeightSource.Open(scratch.File("none")))
            .What);
        Assert.Contains("no such folder",
            Assert.Throws<StorageException>(() => WeightSource.Open(scratch.File("no/ne"))).What);
    }

    [Theory]
    [InlineData("pytorch_model.bin", "get it again")]
    [InlineData("pytorch_model-00001-of-00002.bin", "Get the missing file")]
    [InlineData("model-00001-of-00002.safetensors", "Get the missing file")]
    [InlineData("readme.txt", "folder of a Hugging Face checkpoint")]
    public void A_folder_without_readable_weights_says_what_to_do(string present, string remedy)
    {
        using var scratch = new ScratchFolder();
        scratch.Write(present, "x");
        Assert.Contains(remedy, Assert.Throws<ModelFormatException>(() => WeightSource.Open(scratch.Root)).Remedy);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Files_of_PyTorch_are_a_checkpoint_where_there_are_no_safetensors(bool isSharded)
    {
        using var scratch = new ScratchFolder();
        scratch.Write(isSharded ? "pytorch_model-00001-of-00002.bin" : "pytorch_model.bin", Torch("a", "b"));
        if (isSharded)
        {
            scratch.Write("pytorch_model-00002-of-00002.bin", Torch("c"));
            scratch.Write("pytorch_model.bin.index.json", IndexOf(("a", "pytorch_model-00001-of-00002.bin"),
                ("b", "pytorch_model-00001-of-00002.bin"), ("c", "pytorch_model-00002-of-00002.bin")));
        }
        using (var source = WeightSource.Open(scratch.Root))
        {
            Assert.Equal(isSharded ? ["a", "b", "c"] : ["a", "b"], source.Tensors.Select(t => t.Name));
            var values = new float[2];
            source.ReadAs(isSharded ? "c" : "b", values);
            Assert.Equal([1, 2], values);
        }
        scratch.Write("model.safetensors", Shard("x"));
        using var safe = WeightSource.Open(scratch.Root);
        Assert.Equal("x", Assert.Single(safe.Tensors).Name);
    }

    private static byte[] Torch(params string[] names) => TorchBytes.Zip(
        TorchBytes.Dictionary(
            names.Select(n => new TorchView(n, "0", 0, [2], [1])), new() { ["0"] = ("FloatStorage", 2) }),
        [("0", [0, 0, 0x80, 0x3f, 0, 0, 0, 0x40])]);

    [Fact]
    public void A_single_file_opens_by_its_own_path_and_before_an_index()
    {
        using var scratch = new ScratchFolder();
        var path = scratch.Write("model.safetensors", Shard("x"));
        scratch.Write("model.safetensors.index.json", IndexOf(("a", "gone.safetensors")));
        using var byFolder = WeightSource.Open(scratch.Root);
        using var byPath = WeightSource.Open(path);
        Assert.True(byFolder.Contains("x") && byPath.Contains("x"));
    }
}
