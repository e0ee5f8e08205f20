using PeftNative.Backends;
using PeftNative.Formats;
using PeftNative.Lab.Verification;
using PeftNative.Models.Families;
using PeftNative.Models.Loading;
using PeftNative.Tensors;
using Xunit;

namespace PeftNative.Tests.Formats;

/// <summary>Models in GGUF files, whole and split.</summary>
public sealed class GgufModelTests
{
    public static TheoryData<string, string> Models => new(
        from name in (string[])["llama", "llama-tied-rope3", "llama-kquants", "qwen2", "qwen3", "qwen3-headdim",
            "gemma2", "gemma2-caps", "gemma3", "phi3", "gpt2"]
        from backend in (string[])["reference", "cpu", "cpu bf16"]
        select (name, backend));

    [Theory]
    [MemberData(nameof(Models))]
    public void Weights_and_logits_are_the_recorded_ones(string name, string backendName)
    {
        var folder = SharedFolder.PathOrSkip($"recorded/gguf/models/{name}");
        using var backend = BackendOrSkip.Create(backendName.Split(' ')[0],
            backendName.EndsWith("bf16", StringComparison.Ordinal) ? DType.BFloat16 : DType.Float32);
        var result = GgufVerifier.Model(folder, backend);
        Assert.True(result.Passed, result.FirstFailure);
    }

    [Fact]
    public void A_split_model_is_the_whole_one()
    {
        var whole = SharedFolder.PathOrSkip("recorded/gguf/models/llama/model.gguf");
        using var scratch = new ScratchFolder();
        string[] files = [.. new GgufCopy(whole).Split(2).Select((bytes, i) =>
            scratch.Write($"model-0000{i + 1}-of-00002.gguf", bytes))];
        var (first, second) = (files[0], files[1]);
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
        using var scratch = new ScratchFolder();
        var path = new GgufCopy(SharedFolder.PathOrSkip("recorded/gguf/models/llama/model.gguf")).Set(key, (uint)size)
            .Write(scratch);
        Assert.Contains(key, Assert.Throws<ModelFormatException>(() => FamilyTable.Read(path)).Where,
            StringComparison.Ordinal);
    }
}
