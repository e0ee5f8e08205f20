using System.Text;
using PeftNative.Backends;
using PeftNative.Formats.Json;
using PeftNative.Models;
using PeftNative.Models.Families;
using PeftNative.Models.Layers;
using PeftNative.Models.Loading;
using PeftNative.Models.Steps;
using PeftNative.Models.Weights;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Baselines;
using PeftNative.Peft.Lora;
using PeftNative.Tensors;
using PeftNative.Tests.Peft;
using Xunit;

namespace PeftNative.Tests.Models;

/// <summary>
/// The last feed-forward works on the rows the head looks at; loss and gradients are those of all rows.
/// </summary>
public class TopRowsTests
{
    [Theory]
    [InlineData("llama", "all-linear")]
    [InlineData("llama", "full")]
    [InlineData("gpt2", "top layer")]
    [InlineData("bert", "all-linear")]
    [InlineData("bert", "full")]
    public void Rows_without_a_label_may_be_left_out(string family, string method)
    {
        var (loss, gradients, bytes) = Step(family, method, picks: true);
        var (whole, expected, more) = Step(family, method, picks: false);
        Assert.True(bytes < more, $"{bytes} bytes for some rows, {more} for all");
        Assert.Equal(whole, loss, 1e-5);
        var largest = expected.Max(MathF.Abs);
        for (var i = 0; i < expected.Length; i++) Assert.Equal(expected[i], gradients[i], 1e-5f * largest);
    }

    private static (double Loss, float[] Gradients, long Bytes) Step(string family, string method, bool picks)
    {
        using var backend = BackendFactory.Create("auto", threads: 2);
        var config = FamilyTable.Read(StrictJson.ParseObject(Encoding.UTF8.GetBytes(TrainedBits.Wide[family]))) with
        {
            Task = family == "bert" ? ModelTask.TokenClassification
                : ModelTask.CausalLM, Labels = family == "bert" ? ["a", "b", "c"] : [],
        };
        using var model = ModelLoader.CreateRandom(backend, config, seed: 3);
        AdapterConfig trained = method switch
        {
            "full" => new FullConfig(),
            "top layer" => new TopLayersConfig { LayerCount = 1 },
            _ => new LoraConfig { R = 3, Initialization = LoraInitialization.Random },
        };
        using var adapter = trained.Create(model, seed: 4, trainable: true, "default");
        using var run = picks ? new ModelRun(model, adapter) : new ModelRun(model, adapter, new RowNumbers());
        var batch = new TokenBatch([.. Enumerable.Range(0, 31).Select(i => i * 7 % 200)], [0, 12, 13, 31]);
        int[] labels = [.. Enumerable.Range(0, 31).Select(i => i % 4 == 1 || i > 27 ? i % 3 : Targets.Ignored)];
        var result = run.Train(batch, Targets.PerToken(labels));
        return (result.LossSum, HostValues.Download(backend, adapter.Buffer.Gradients), run.Memory.PeakBytes);
    }

    private sealed class RowNumbers : AttachmentSet
    {
        public override string Name => "row numbers";

        public override IReadOnlyList<Parameter> Trainables => [];

        internal override bool DependsOnRowNumbers => true;
    }
}
