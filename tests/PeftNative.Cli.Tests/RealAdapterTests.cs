using System.Text.Json.Nodes;
using PeftNative.Backends;
using PeftNative.Data.Batching;
using PeftNative.Data.Encoding;
using PeftNative.Data.Reading;
using PeftNative.Formats.Safetensors;
using PeftNative.Inference;
using PeftNative.Lab.Verification;
using PeftNative.Models.Loading;
using PeftNative.Peft;
using PeftNative.Tests;
using PeftNative.Tokenizers;
using Xunit;

namespace PeftNative.Cli.Tests;

/// <summary>
/// Adapters that the reference libraries trained on a real encoder (shared/real/adapters): each loads, and gives the
/// logits recorded for all 872 sentences of SST-2's dev set, from the text on.
/// </summary>
[Trait("Pace", "slow")]
public class RealAdapterTests
{
    [Theory]
    [InlineData("lora-qv")]
    [InlineData("lora-all")]
    [InlineData("ia3")]
    [InlineData("prefix")]
    [InlineData("prompt")]
    [InlineData("ptuning")]
    [InlineData("houlsby")]
    [InlineData("pfeiffer")]
    public void An_adapter_of_the_reference_gives_its_recorded_logits_on_the_whole_dev_set(string name)
    {
        var (folder, encoder) =
            (SharedFolder.PathOrSkip($"real/adapters/{name}"), SharedFolder.PathOrSkip("real/minilm"));
        if (BackendFactory.Survey().First(b => b.Name == "cpu") is { IsAvailable: false } absent)
            Assert.Skip($"The native CPU backend is not here: {absent.Detail}");
        using var backend = BackendFactory.Create("cpu");
        var (model, _) = ModelLoader.Load(backend, encoder, AdapterLabels.OptionsFor(folder, encoder));
        using var ownedModel = model;
        using var adapter = AdapterFolder.Load(model, folder);
        using var classifier = new Classifier(model, adapter);

        var tokenizer = HfTokenizer.Load(encoder);
        var examples = File.ReadLines(SharedFolder.PathOrSkip("real/data/sst2-dev.jsonl"))
            .Select((line, i) => new Example
        {
            Ids = tokenizer.Encode((string)JsonNode.Parse(line)!["text"]!, maxLength: 64).Ids,
            Origin = new RecordOrigin("sst2-dev.jsonl", i + 1),
        });
        float[] logits = [.. examples.Chunk(64).SelectMany(chunk => classifier.Score(Batch.Of(chunk)))
            .SelectMany(row => row)];

        using var recorded = SafetensorsFile.Open(Path.Combine(folder, "dev_logits.safetensors"));
        var expected = new float[2 * 872];
        recorded.ReadAs(recorded.Get("dev_logits"), expected);
        Assert.Equal(expected.Length, logits.Length);
        var error = RelativeError.Of(logits, expected);
        Assert.True(error <= 1e-4, $"off by {error:0.0e0}");
        Assert.Equal(expected.Chunk(2).Select(row => Classifier.Best(row)),
            logits.Chunk(2).Select(row => Classifier.Best(row)));
    }
}
