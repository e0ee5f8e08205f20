using PeftNative.Backends.Reference;
using PeftNative.Models;
using PeftNative.Models.Families;
using PeftNative.Models.Loading;
using PeftNative.Models.Steps;
using PeftNative.Tensors;
using Xunit;

namespace PeftNative.Tests.Formats;

/// <summary>What a GGUF file says counts as in llama.cpp, or is refused or doubted by name.</summary>
public sealed class GgufFollowedTests : IDisposable
{
    private readonly ScratchFolder scratch = new();
    private readonly ReferenceBackend backend = ReferenceBackend.Create(DType.Float32);

    [Theory]
    [InlineData("llama", "blk.1.attn_output.bias")]
    [InlineData("llama", "blk.1.attn_q.bias")]
    [InlineData("llama", "blk.1.attn_q_norm.weight")]
    [InlineData("llama", "blk.2.attn_norm.weight")]
    [InlineData("llama", "output.bias")]
    [InlineData("llama-kquants", "blk.0.attn_q.scale")]
    [InlineData("llama-kquants", "blk.0.ffn_down.bias")]
    [InlineData("qwen3", "blk.0.attn_k.bias")]
    [InlineData("gpt2", "rope_freqs.weight")]
    public void A_tensor_without_a_place_is_refused(string model, string tensor)
    {
        var path = Copy(model).Add(tensor, new float[64]).Write(scratch);
        var e = Assert.Throws<ModelFormatException>(() => Load(path));
        Assert.Contains("no place", e.What, StringComparison.Ordinal);
        Assert.Contains(tensor, e.Where, StringComparison.Ordinal);
    }

    [Fact]
    public void A_classifier_does_without_the_head_of_the_file()
    {
        var (model, loaded) = ModelLoader.Load(backend, Copy("llama").Write(scratch),
            new ModelOptions { Task = ModelTask.SequenceClassification, Labels = ["a", "b"] });
        using var owner = model;
        Assert.Equal(["score.weight"], loaded.Created);
        Assert.Empty(loaded.Unused);
    }

    [Theory]
    [InlineData("rope.scaling.factor", 1)]
    [InlineData("rope.scaling.factor", 0)]
    [InlineData("rope.scaling.attn_factor", 1)]
    [InlineData("rope.scaling.yarn_ext_factor", -1)]
    public void A_factor_that_changes_nothing_changes_nothing(string key, float factor)
    {
        var changed = Copy("llama").Set($"llama.{key}", factor).Write(scratch);
        Assert.Equal(Load(Copy("llama").Write(scratch)), Load(changed));
    }

    [Theory]
    [InlineData("rope.scaling.factor")]
    [InlineData("rope.scale_linear")]
    public void Scaling_without_a_type_is_linear(string key)
    {
        var named = Copy("llama").Set("llama.rope.scaling.type", "linear").Set("llama.rope.scaling.factor", 4f);
        var expected = Load(named.Write(scratch));
        Assert.NotEqual(Load(Copy("llama").Write(scratch)), expected);
        Assert.Equal(expected, Load(Copy("llama").Set($"llama.{key}", 4f).Write(scratch)));
        var off = Copy("llama").Set("llama.rope.scaling.type", "none").Set($"llama.{key}", 4f);
        Assert.Equal(Load(Copy("llama").Write(scratch)), Load(off.Write(scratch)));
    }

    [Fact]
    public void The_new_key_of_scaling_counts_before_the_old_one()
    {
        var both = Copy("llama").Set("llama.rope.scale_linear", 2f).Set("llama.rope.scaling.factor", 4f);
        Assert.Equal(4, FamilyTable.Read(both.Write(scratch)).Layers[0].Rope!.Factor);
    }

    [Theory]
    [InlineData("llama.rope.scaling.attn_factor", 1.5f)]
    [InlineData("llama.rope.scaling.yarn_attn_factor", 0.5f)]
    [InlineData("llama.rope.scaling.yarn_ext_factor", 1f)]
    [InlineData("llama.rope.scaling.factor", -2f)]
    [InlineData("llama.rope.scaling.type", "yarn")]
    public void Scaling_that_is_not_computed_is_refused_by_its_key(string key, object value)
    {
        var path = Copy("llama").Set(key, value).Write(scratch);
        Assert.Contains($"'{key}'", Assert.Throws<ModelFormatException>(() => FamilyTable.Read(path)).Where,
            StringComparison.Ordinal);
    }

    [Fact]
    public void The_largest_number_means_that_there_is_no_such_token()
    {
        var copy = Copy("llama").Set("tokenizer.ggml.padding_token_id", uint.MaxValue)
            .Set("tokenizer.ggml.eot_token_id", uint.MaxValue);
        var config = FamilyTable.Read(copy.Write(scratch));
        Assert.Null(config.PadTokenId);
        Assert.Equal([2], config.EosTokenIds);
        var path = copy.Set("tokenizer.ggml.eos_token_id", uint.MaxValue).Write(scratch);
        Assert.Empty(FamilyTable.Read(path).EosTokenIds);
        path = copy.Set("tokenizer.ggml.eos_token_id", uint.MaxValue - 1).Write(scratch);
        Assert.Contains("eos_token_id", Assert.Throws<ModelFormatException>(() => FamilyTable.Read(path)).Where,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("phi3", 6u, true)]
    [InlineData("llama", 6u, true)]
    [InlineData("phi3", 64u, false)] // as long as the model's texts
    [InlineData("gemma3", 6u, false)] // there it counts
    public void A_window_that_is_not_used_is_told(string name, uint window, bool isTold)
    {
        var path = Copy(name).Set($"{name}.attention.sliding_window", window).Write(scratch);
        var (model, loaded) = ModelLoader.Load(backend, path);
        model.Dispose();
        Assert.Equal(isTold, loaded.Doubts.Any(d => d.Contains("sliding_window", StringComparison.Ordinal)));
        Assert.Equal(loaded.Doubts, ModelLoader.Doubts(path));
    }

    public void Dispose()
    {
        backend.Dispose();
        scratch.Dispose();
    }

    private static GgufCopy Copy(string name) =>
        new(SharedFolder.PathOrSkip($"recorded/gguf/models/{name}/model.gguf"));

    // The logits of a few tokens.
    private float[] Load(string path)
    {
        using var model = ModelLoader.Load(backend, path).Model;
        using var run = new ModelRun(model);
        run.Forward(new TokenBatch([5, 17, 9, 40, 7, 3], [0, 6]));
        return HostValues.Download(backend, run.Scores());
    }
}
