using PeftNative.Formats;
using Xunit;

namespace PeftNative.Tests.Formats;

public class WeightSourceTests
{
    [Theory]
    [InlineData("qwen2-causal", "model.embed_tokens.weight", StoredType.F32)]
    [InlineData("mistral-causal", "model.embed_tokens.weight", StoredType.BF16)]
    [InlineData("gpt_neox-causal", "gpt_neox.embed_in.weight", StoredType.F16)]
    public void Recorded_checkpoints_open_whatever_their_layout_and_type(string name, string embedding, StoredType type)
    {
        using var source = WeightSource.Open(SharedFolder.Require($"golden/bases/{name}"));
        Assert.Equal(type, source.Get(embedding).Type);
        foreach (var tensor in source.Tensors.Where(t => t.Type == type))
        {
            var values = new float[tensor.ElementCount];
            source.ReadAs(tensor.Name, values);
            Assert.All(values, v => Assert.True(float.Abs(v) < 100, $"{tensor}: {v}"));
        }
    }

    [Fact]
    public void A_missing_folder_is_said_to_be_missing()
    {
        using var scratch = new ScratchFolder();
        var e = Assert.Throws<StorageException>(() => WeightSource.Open(scratch.File("none")));
        Assert.Contains("no such folder", e.What);
    }

    [Fact]
    public void A_folder_of_pickles_is_refused_with_a_hint_to_convert()
    {
        using var scratch = new ScratchFolder();
        scratch.Write("pytorch_model.bin", "x");
        var e = Assert.Throws<ModelFormatException>(() => WeightSource.Open(scratch.Root));
        Assert.Contains("safe_serialization=True", e.Remedy);
    }
}
