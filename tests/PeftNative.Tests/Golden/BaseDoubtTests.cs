using PeftNative.Backends.Reference;
using PeftNative.Formats.Safetensors;
using PeftNative.Models.Loading;
using PeftNative.Tensors;
using PeftNative.Tests.Data;
using Xunit;

namespace PeftNative.Tests.Golden;

/// <summary>Checkpoints that hold more in their layers than the model computes.</summary>
public sealed class BaseDoubtTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly ReferenceBackend backend = ReferenceBackend.Create(DType.Float32);

    [Theory]
    [InlineData("golden")]
    [InlineData("recorded/decoders")]
    [InlineData("recorded/encoders")]
    [InlineData("recorded/quantized")]
    public void No_recorded_base_is_doubted(string set)
    {
        var bases = Directory.GetDirectories(SharedFolder.PathOrSkip(set + "/bases"));
        List<string> doubts = [];
        foreach (var path in bases)
            try
            {
                doubts.AddRange(Doubts(path).Select(d => $"{Path.GetFileName(path)}: {d}"));
            }
            catch (ModelFormatException e) when (e.What.Contains("not supported", StringComparison.Ordinal))
            {
                continue;
            }
        Assert.Empty(doubts);
    }

    [Theory]
    [InlineData("model.layers.1.self_attn.q_proj.bias", true)]
    [InlineData("model.layers.0.self_attn.q_norm.weight", true)]
    [InlineData("model.layers.0.self_attn.rotary_emb.inv_freq", false)]
    [InlineData("model.layers.9.self_attn.q_proj.bias", true)] // a layer that config.json does not have
    [InlineData("vision.proj.weight", true)]
    [InlineData("score.weight", false)] // the head of another task
    public void A_tensor_that_nothing_uses_is_told(string name, bool isTold)
    {
        var source = Path.Combine(AppContext.BaseDirectory, "golden", "bases", "llama-causal");
        var target = Directory.CreateDirectory(folder["base"]).FullName;
        foreach (var file in Directory.GetFiles(source)) File.Copy(file, Path.Combine(target, Path.GetFileName(file)));
        var writer = SafetensorsWriter.ForPyTorch();
        using (var file = SafetensorsFile.Open(Path.Combine(source, "model.safetensors")))
            foreach (var tensor in file.Tensors)
                writer.Add(tensor.Name, tensor.Type, tensor.Shape.AsSpan(), file.Bytes(tensor).ToArray());
        writer.Add(name, StoredType.F32, [1], new byte[4]);
        File.Delete(Path.Combine(target, "model.safetensors"));
        writer.Save(Path.Combine(target, "model.safetensors"));
        Assert.Equal(isTold, Doubts(target).Any(d => d.Contains(name, StringComparison.Ordinal)));
    }

    public void Dispose()
    {
        backend.Dispose();
        folder.Dispose();
    }

    private IReadOnlyList<string> Doubts(string path)
    {
        var (model, loaded) = ModelLoader.Load(backend, path);
        model.Dispose();
        return loaded.Doubts;
    }
}
