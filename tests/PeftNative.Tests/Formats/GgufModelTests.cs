using System.Text;
using PeftNative.Backends;
using PeftNative.Formats;
using PeftNative.Formats.Gguf;
using PeftNative.Lab.Verification;
using PeftNative.Models.Families;
using PeftNative.Models.Loading;
using Xunit;

namespace PeftNative.Tests.Formats;

/// <summary>Models in GGUF files, whole and split.</summary>
public sealed class GgufModelTests
{
    public static TheoryData<string, string> Models => new(
        from name in (string[])["llama", "llama-tied-rope3", "llama-kquants", "qwen2", "qwen3", "qwen3-headdim",
            "gemma2", "gemma2-caps", "gemma3", "phi3", "gpt2"]
        from backend in (string[])["reference", "cpu"]
        select (name, backend));

    [Theory]
    [MemberData(nameof(Models))]
    public void Weights_and_logits_are_the_recorded_ones(string name, string backendName)
    {
        var folder = SharedFolder.PathOrSkip($"recorded/gguf/models/{name}");
        using var backend = BackendFactory.Create(backendName);
        var result = GgufVerifier.Model(folder, backend);
        Assert.True(result.Passed, result.FirstFailure);
    }

    [Fact]
    public void A_split_model_is_the_whole_one()
    {
        var whole = SharedFolder.PathOrSkip("recorded/gguf/models/llama/model.gguf");
        using var scratch = new ScratchFolder();
        var (first, second) = Split(whole, scratch);
        using (var source = WeightSource.Open(first))
        using (var expected = WeightSource.Open(whole))
        {
            Assert.Equal(expected.Tensors.Select(t => t.Name), source.Tensors.Select(t => t.Name));
            foreach (var tensor in expected.Tensors)
                Assert.Equal(expected.Bytes(tensor.Name).ToArray(), source.Bytes(tensor.Name).ToArray());
        }
        using (var backend = BackendFactory.Create("reference"))
        using (var model = ModelLoader.Load(backend, first).Model)
            Assert.Equal(300, model.Config.VocabularySize);
        Assert.Contains("split.no", Assert.Throws<ModelFormatException>(() => WeightSource.Open(second)).What,
            StringComparison.Ordinal);
        File.Delete(second);
        Assert.Contains("2 of 2", Assert.Throws<ModelFormatException>(() => WeightSource.Open(first)).What,
            StringComparison.Ordinal);
    }

    [Fact]
    public void What_a_file_says_counts_over_what_is_usual()
    {
        var caps = FamilyTable.Read(SharedFolder.PathOrSkip("recorded/gguf/models/gemma2-caps/model.gguf"));
        Assert.Equal((2, 3), (caps.AttentionSoftCap, caps.FinalSoftCap));
        Assert.Equal(0.25, caps.Layers[0].AttentionScale);
        var wide = FamilyTable.Read(SharedFolder.PathOrSkip("recorded/gguf/models/qwen3-headdim/model.gguf"));
        Assert.Equal((64, 32), (wide.HiddenSize, wide.HeadDim));
        Assert.Equal([2], wide.EosTokenIds);
    }

    [Theory]
    [InlineData("llama.block_count", 0)]
    [InlineData("llama.attention.head_count", 0)]
    [InlineData("llama.embedding_length", 0)]
    [InlineData("llama.block_count", 16_000_000)]
    [InlineData("llama.attention.head_count", 1 << 20)]
    [InlineData("llama.embedding_length", 1 << 20)]
    [InlineData("llama.feed_forward_length", 1 << 23)]
    public void A_size_that_makes_no_sense_is_refused_by_its_key(string key, int size)
    {
        var bytes = File.ReadAllBytes(SharedFolder.PathOrSkip("recorded/gguf/models/llama/model.gguf"));
        var at = bytes.AsSpan().IndexOf([.. BitConverter.GetBytes((long)key.Length), .. Encoding.UTF8.GetBytes(key)]);
        BitConverter.TryWriteBytes(bytes.AsSpan(at + 8 + key.Length + 4), size);
        using var scratch = new ScratchFolder();
        var path = scratch.Write("lying.gguf", bytes);
        Assert.Contains(key, Assert.Throws<ModelFormatException>(() => FamilyTable.Read(path)).Where,
            StringComparison.Ordinal);
    }

    // The first file gets the keys and half of the tensors, the second the others.
    private static (string First, string Second) Split(string whole, ScratchFolder scratch)
    {
        var bytes = File.ReadAllBytes(whole);
        var header = GgufHeader.Parse(bytes, bytes.Length, whole);
        var name = header.Tensors[0].Name;
        var end = bytes.AsSpan().LastIndexOf([.. BitConverter.GetBytes((long)name.Length),
            .. Encoding.UTF8.GetBytes(name)]);
        var keys = bytes[24..end];
        string[] paths = new string[2];
        for (var part = 0; part < 2; part++)
        {
            var mine = header.Tensors.Where((_, i) => i % 2 == part).ToList();
            using var stream = new MemoryStream();
            using var writer = new BinaryWriter(stream);
            writer.Write("GGUF"u8);
            writer.Write(3);
            writer.Write((long)mine.Count);
            writer.Write(3L + (part == 0 ? header.Values.All.Count : 0));
            if (part == 0) writer.Write(keys);
            Number(writer, "split.no", part);
            Number(writer, "split.count", 2);
            Number(writer, "split.tensors.count", header.Tensors.Length);
            var offset = 0L;
            foreach (var tensor in mine)
            {
                Text(writer, tensor.Name);
                writer.Write(tensor.Shape.Length);
                foreach (var size in tensor.Shape.Reverse()) writer.Write(size);
                writer.Write(Type(bytes, tensor.Name, tensor.Shape.Length));
                writer.Write(offset);
                offset += (tensor.ByteLength + 31) / 32 * 32;
            }
            Pad(writer, stream);
            foreach (var tensor in mine)
            {
                writer.Write(bytes.AsSpan((int)(header.DataStart + tensor.Begin), (int)tensor.ByteLength));
                Pad(writer, stream);
            }
            writer.Flush();
            paths[part] = scratch.Write($"model-0000{part + 1}-of-00002.gguf", stream.ToArray());
        }
        return (paths[0], paths[1]);
    }

    private static int Type(byte[] file, string name, int dimensions) => BitConverter.ToInt32(file,
        file.AsSpan().LastIndexOf([.. BitConverter.GetBytes((long)name.Length), .. Encoding.UTF8.GetBytes(name)])
            + 8 + name.Length + 4 + 8 * dimensions);

    private static void Number(BinaryWriter writer, string key, int value)
    {
        Text(writer, key);
        writer.Write(4);
        writer.Write(value);
    }

    private static void Text(BinaryWriter writer, string text)
    {
        writer.Write((long)text.Length);
        writer.Write(Encoding.UTF8.GetBytes(text));
    }

    private static void Pad(BinaryWriter writer, MemoryStream stream)
    {
        writer.Flush();
        writer.Write(new byte[(32 - stream.Length % 32) % 32]);
        writer.Flush();
    }
}
