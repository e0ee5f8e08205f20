using PeftNative.Backends;
using PeftNative.Formats.Json;
using PeftNative.Formats.Safetensors;
using PeftNative.Lab.Verification;
using PeftNative.Models;
using PeftNative.Models.Loading;
using PeftNative.Models.Steps;
using PeftNative.Ops;
using PeftNative.Peft;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Baselines;
using PeftNative.Tensors;
using PeftNative.Training.Optimization;
using Xunit;

namespace PeftNative.Tests.Real;

/// <summary>
/// A real pretrained encoder against exact numbers of the reference (shared/real/parity): hidden states of 16
/// sentences, and 20 steps of LoRA. The limits are ten times the reference's own distance between float32 and float64,
/// at most 1e-4.
/// </summary>
public class RealParityTests
{
    [Fact]
    public void Hidden_states_of_the_real_encoder_equal_the_references()
    {
        using var world = World.OpenOrSkip();
        using var recorded = SafetensorsFile.Open(SharedFolder.PathOrSkip("real/parity/encoder.safetensors"));
        var (batch, places) = Batch(recorded, "");
        using var run = new ModelRun(world.Model);
        run.Forward(batch);
        var states = HostValues.Download(world.Backend, run.Hidden);
        var expected = Floats(recorded, "last_hidden_state");
        var width = world.Model.Config.HiddenSize;
        float[] kept = [.. places.SelectMany(p => expected[(p * width)..((p + 1) * width)])];
        Assert.True(RelativeError.Of(states, kept) <= 1e-4, $"off by {RelativeError.Of(states, kept):0.0e0}");
    }

    [Fact]
    public void Twenty_steps_of_lora_equal_the_references()
    {
        using var world = World.OpenOrSkip();
        var folder = SharedFolder.PathOrSkip("real/parity/lora");
        var recipe = StrictJson.ReadFile(SharedFolder.PathOrSkip("real/parity/parity.json"));
        using var run = SafetensorsFile.Open(Path.Combine(folder, "run.safetensors"));
        using var adapter = AdapterFolder.Load(world.Model, Path.Combine(folder, "initial"), trainable: true);
        using var optimizer = new AdamW(world.Backend, adapter.Buffer, new AdamWOptions { WeightDecay = 0.01 });
        using var steps = new ModelRun(world.Model, adapter);
        var (losses, norms) = (recipe.GetDoubleList("losses"), recipe.GetDoubleList("gradient_norms"));

        for (var step = 0; step < 20; step++)
        {
            var (batch, _) = Batch(run, $"batch.{step:00}.");
            optimizer.ZeroGradients();
            var result = steps.Train(batch, Targets.PerSequence(Integers(run, $"batch.{step:00}.labels")));
            Assert.Equal(losses[step], result.LossSum / result.Count, 1e-6);
            var norm = optimizer.GradientNorm();
            Assert.Equal(norms[step], norm, 1e-4 * norms[step]);
            if (step < 2) CheckGradients(world.Backend, adapter, run, $"grad.step{step + 1}.");
            optimizer.Step(1e-3, norm);
        }

        using var final = SafetensorsFile.Open(Path.Combine(folder, "final", AdapterFolder.WeightsName));
        foreach (var entry in adapter.Entries)
        {
            var (actual, expected) =
                (HostValues.Download(world.Backend, entry.Parameter.Value), Floats(final, entry.Key));
            for (var i = 0; i < actual.Length; i++) Assert.Equal(expected[i], actual[i], 4e-5f);
        }
    }

    [Theory]
    [InlineData("lora-qv")]
    [InlineData("lora-all")]
    [InlineData("head")]
    public void A_trained_adapter_of_the_reference_gives_its_recorded_logits(string name)
    {
        using var world = World.OpenOrSkip();
        var folder = SharedFolder.PathOrSkip($"real/adapters/{name}");
        using var adapter = name == "head" ? LoadHead(world, folder) : AdapterFolder.Load(world.Model, folder);
        using var recorded = SafetensorsFile.Open(Path.Combine(folder, "dev_logits.safetensors"));
        var expected = Floats(recorded, "dev_logits");
        using var encoder = SafetensorsFile.Open(SharedFolder.PathOrSkip("real/parity/encoder.safetensors"));
        var (batch, _) = Batch(encoder, ""); // the first 16 sentences of the dev set
        using var run = new ModelRun(world.Model, adapter);
        run.Forward(batch);
        var logits = HostValues.Download(world.Backend, run.Scores());
        var error = RelativeError.Of(logits, expected.AsSpan(0, logits.Length));
        Assert.True(error <= 1e-4, $"off by {error:0.0e0}");
    }

    private static Adapter LoadHead(World world, string folder)
    {
        var adapter = new HeadConfig().Create(world.Model, 0, trainable: false, "default");
        using var file = SafetensorsFile.Open(Path.Combine(folder, "head.safetensors"));
        foreach (var entry in adapter.Entries)
            HostValues.Upload(world.Backend, Floats(file, entry.Key), entry.Parameter.Value);
        return adapter;
    }

    private static void CheckGradients(IBackend backend, Adapter adapter, SafetensorsFile run, string prefix)
    {
        foreach (var entry in adapter.Entries)
        {
            var key = prefix + entry.Key;
            if (!run.TryGet(key, out _))
                key = key.Replace("classifier.", "classifier.modules_to_save.", StringComparison.Ordinal);
            var error = RelativeError.Of(HostValues.Download(backend, entry.Parameter.Gradient),
                Floats(run, key), 1e-9);
            Assert.True(error <= 1e-4, $"{key} is off by {error:0.0e0}");
        }
    }

    private static (TokenBatch, int[]) Batch(SafetensorsFile file, string prefix)
    {
        var (ids, mask) = (Integers(file, prefix + "input_ids"), Integers(file, prefix + "attention_mask"));
        var shape = file.Get(prefix + "input_ids").Shape;
        int rows = (int)shape[0], time = (int)shape[1];
        int[] places = [.. Enumerable.Range(0, ids.Length).Where(i => mask[i] != 0)];
        int[] offsets = [.. Enumerable.Range(0, rows + 1).Select(r => places.Count(p => p < r * time))];
        return (new TokenBatch([.. places.Select(p => ids[p])], offsets), places);
    }

    private static float[] Floats(SafetensorsFile file, string name)
    {
        var tensor = file.Get(name);
        var values = new float[tensor.ElementCount];
        file.ReadAs(tensor, values);
        return values;
    }

    private static int[] Integers(SafetensorsFile file, string name) =>
        [.. System.Runtime.InteropServices.MemoryMarshal.Cast<byte, long>(file.Bytes(file.Get(name))).ToArray()
            .Select(v => (int)v)];

    /// <summary>The encoder on the native backend; the plain loops of the reference would take minutes.</summary>
    private sealed record World(IBackend Backend, TransformerModel Model) : IDisposable
    {
        public static World OpenOrSkip()
        {
            var folder = SharedFolder.PathOrSkip("real/minilm");
            if (BackendFactory.Survey().First(b => b.Name == "cpu") is { IsAvailable: false } absent)
                Assert.Skip($"The native CPU backend is not here: {absent.Detail}");
            var backend = BackendFactory.Create("cpu");
            var options = new ModelOptions { Task = ModelTask.SequenceClassification,
                Labels = ["negative", "positive"], Seed = 1 };
            return new World(backend, ModelLoader.Load(backend, folder, options).Model);
        }

        public void Dispose()
        {
            Model.Dispose();
            Backend.Dispose();
        }
    }
}
