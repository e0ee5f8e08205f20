using PeftNative.Backends.Reference;
using PeftNative.Data.Encoding;
using PeftNative.Data.Reading;
using PeftNative.Data.Records;
using PeftNative.Inference;
using PeftNative.Models;
using PeftNative.Peft;
using PeftNative.Peft.Lora;
using PeftNative.Tensors;
using PeftNative.Tests.Data;
using PeftNative.Tests.Models;
using PeftNative.Training.Loop;
using PeftNative.Training.Optimization;
using Xunit;

namespace PeftNative.Tests.Training.Loop;

/// <summary>Nothing that is not finite is saved, or given as an answer.</summary>
public sealed class FiniteTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly ReferenceBackend backend = ReferenceBackend.Create(DType.Float32);
    private readonly TransformerModel model;

    public FiniteTests() => model = TinyModels.Create(backend, "gpt2", ModelTask.CausalLM);

    public void Dispose()
    {
        model.Dispose();
        backend.Dispose();
        folder.Dispose();
    }

    public static TheoryData<string> Overflows => ["adam_epsilon", "learning_rate", "adam_beta1", "adam_beta2"];

    [Theory]
    [MemberData(nameof(Overflows))]
    public void An_update_that_overflows_in_the_last_step_is_an_error_and_saves_nothing(string setting)
    {
        var optimizer = new AdamWOptions
        {
            Epsilon = setting == "adam_epsilon" ? 0 : 1e-8, Beta1 = setting == "adam_beta1" ? 1 : 0.9,
                Beta2 = setting == "adam_beta2" ? 1 : 0.999,
        };
        var rate = setting == "learning_rate" ? 1e38 : 1e-3;
        var options = new TrainerOptions
        {
            MaxSteps = 1, Output = folder["run"], Optimizer = optimizer, LearningRate = rate,
        };
        var error = Assert.Throws<NumericException>(() => Run(options, TokenData()));
        Assert.Contains("step 1", error.Message, StringComparison.Ordinal);
        Assert.Contains("There is no finite checkpoint", error.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder["run"]));
    }

    [Fact]
    public void The_last_finite_checkpoint_is_named_and_what_was_saved_stays()
    {
        var options = new TrainerOptions { MaxSteps = 2, BatchSize = 4, SaveSteps = 1, Output = folder["run"] };
        Run(options, TokenData());
        string[] files = [Path.Combine(folder["run"], AdapterFolder.WeightsName),
            Path.Combine(folder["run"], "best", AdapterFolder.WeightsName)];
        var (before, checkpoint) = (files.Select(File.ReadAllBytes).ToList(), RunFolder.FindLast(folder["run"])!);
        foreach (var eval in (EncodedData?[])[null, TokenData()])
        {
            var error = Assert.Throws<NumericException>(() =>
                Run(options with { LearningRate = 1e38, ResumeFrom = checkpoint }, eval));
            Assert.Contains($"The last finite checkpoint is {checkpoint}.", error.Message, StringComparison.Ordinal);
        }
        Assert.Equal(before, files.Select(File.ReadAllBytes));
        Assert.Equal(checkpoint, RunFolder.FindLast(folder["run"]));
    }

    [Fact]
    public void Leaving_steps_out_does_not_hide_broken_weights_nor_that_nothing_was_learned()
    {
        var options = new TrainerOptions
        {
            MaxSteps = 4, OnNan = OnNan.Skip, Output = folder["run"], LrScheduler = "constant", SaveSteps = 0,
        };
        var huge = Assert.Throws<NumericException>(() => Run(options with { LearningRate = 1e38 }, null));
        Assert.Contains("at step 4 the loss is NaN", huge.Message, StringComparison.Ordinal);
        var broken = Assert.Throws<NumericException>(() =>
            Run(options with { Optimizer = new AdamWOptions { Epsilon = 0 } }, null));
        Assert.Contains("at step 2", broken.Message, StringComparison.Ordinal);
        Assert.Contains("the update before has left values that are not finite", broken.Message,
            StringComparison.Ordinal);
        backend.Fill(model.Parameters.First(p => p.Name.EndsWith("mlp.c_fc.weight", StringComparison.Ordinal)).Value,
            float.NaN);
        var error = Assert.Throws<NumericException>(() => Run(options, null));
        Assert.Contains("Every step was left out", error.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder["run"]));
    }

    [Fact]
    public void An_adapter_that_is_not_finite_is_neither_saved_nor_loaded()
    {
        using var adapter = new LoraConfig { R = 2 }.Create(model, 1, trainable: false, "default");
        AdapterFolder.Save(adapter, folder["adapter"]);
        var file = Path.Combine(folder["adapter"], AdapterFolder.WeightsName);
        var good = File.ReadAllBytes(file);
        backend.Fill(adapter.Entries[^1].Parameter.Value, float.PositiveInfinity);
        Assert.Contains(adapter.Entries[^1].Key,
            Assert.Throws<NumericException>(() => AdapterFolder.Save(adapter, folder["adapter"])).Message,
            StringComparison.Ordinal);
        Assert.Equal(good, File.ReadAllBytes(file));

        var bad = (byte[])good.Clone();
        BitConverter.GetBytes(float.NaN).CopyTo(bad, bad.Length - 4);
        File.WriteAllBytes(file, bad);
        Assert.Contains(file, Assert.Throws<NumericException>(() => AdapterFolder.Load(model, folder["adapter"]))
            .Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Scores_that_are_not_finite_are_no_answer()
    {
        backend.Fill(model.Parameters.First(p => p.Name.EndsWith("ln_f.bias", StringComparison.Ordinal)).Value,
            float.PositiveInfinity);
        using var evaluator = new Evaluator(model, TokenData(), 2);
        var error = Assert.Throws<NumericException>(() =>
            evaluator.Run(cancellation: TestContext.Current.CancellationToken));
        Assert.Contains("toy:1", error.Message, StringComparison.Ordinal);
        using var generator = new Generator(model);
        Assert.Throws<NumericException>(() =>
            generator.Generate([1, 2], new GenerationOptions { MaxTokens = 3 }, TestContext.Current.CancellationToken));
    }

    [Fact]
    public void Vectors_of_any_length_are_looked_through()
    {
        for (var length = 1; length < 40; length++)
            foreach (var bad in (float[])[float.NaN, float.PositiveInfinity, float.NegativeInfinity])
                for (var at = 0; at < length; at++)
                {
                    var values = Enumerable.Repeat(float.MaxValue, length).ToArray();
                    Assert.True(Finite.All(values));
                    values[at] = bad;
                    Assert.False(Finite.All(values));
                }
        Assert.True(Finite.Fit([65504f, -3f, float.NaN], DType.Float16));
        Assert.False(Finite.Fit([1f, -65520f], DType.Float16));
        Assert.False(Finite.Fit([float.MaxValue], DType.BFloat16));
    }

    private void Run(TrainerOptions options, EncodedData? eval)
    {
        using var adapter = new LoraConfig { R = 2 }.Create(model, 1, trainable: true, "default");
        using var trainer = new Trainer(model, adapter, TokenData(), eval, options);
        trainer.Run(cancellation: TestContext.Current.CancellationToken);
    }

    private static EncodedData TokenData() => EncodedData.From(
        Enumerable.Range(0, 7).Select(i =>
            new TextRecord(string.Join(' ', "abcde"[..(1 + i % 5)].AsEnumerable()) + " a b", null, null,
            new RecordOrigin("toy", i + 1))),
        new ExampleEncoder(new ToyTokenizer(), new EncodingOptions { Task = ModelTask.CausalLM, MaxLength = 16 }));
}
