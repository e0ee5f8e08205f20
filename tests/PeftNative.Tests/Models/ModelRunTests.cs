using PeftNative.Backends.Reference;
using PeftNative.Models;
using PeftNative.Models.Layers;
using PeftNative.Ops;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Lora;
using PeftNative.Peft.Matching;
using PeftNative.Tensors;
using Xunit;

namespace PeftNative.Tests.Models;

/// <summary>The protocol of a step: what may be asked of a run when, and that its parts are the whole.</summary>
public sealed class ModelRunTests : IDisposable
{
    private readonly ReferenceBackend backend = ReferenceBackend.Create(DType.Float32);

    [Theory]
    [InlineData("llama", ModelTask.CausalLM)]
    [InlineData("t5", ModelTask.SequenceToSequence)]
    [InlineData("bert", ModelTask.TokenClassification)]
    public void A_training_step_is_forward_and_backward(string family, ModelTask task)
    {
        using var model = TinyModels.Create(backend, family, task);
        using var adapter = Lora(model);
        using var run = new ModelRun(model, adapter) { Seed = 3, Step = 5 };
        var (batch, targets) = (TinyModels.Batch(model), TinyModels.Targets(model));
        var expected = Gradients(adapter, () => run.Train(batch, targets), out var loss);
        var actual = Gradients(adapter, () =>
        {
            run.Forward(batch, targets);
            Assert.Equal(loss, run.Loss(targets));
            return run.Backward(targets);
        }, out var same);
        Assert.Equal(loss, same);
        Assert.Equal(expected, actual);
    }

    [Fact]
    public void The_factor_of_the_gradient_may_be_chosen_between_forward_and_backward()
    {
        using var model = TinyModels.Create(backend, "llama", ModelTask.CausalLM);
        using var adapter = Lora(model);
        using var run = new ModelRun(model, adapter);
        var (batch, targets) = (TinyModels.Batch(model), TinyModels.Targets(model) with { GradientScale = 0.25 });
        var expected = Gradients(adapter, () => run.Train(batch, targets), out _);
        var twice = Gradients(adapter, () =>
        {
            run.Forward(batch, targets);
            return run.Backward(targets with { GradientScale = 0.5 });
        }, out _);
        Assert.Contains(expected, g => g != 0);
        for (var i = 0; i < expected.Length; i++) Assert.Equal(2 * expected[i], twice[i], 1e-6f);
    }

    [Fact]
    public void What_comes_too_early_is_refused()
    {
        using var model = TinyModels.Create(backend, "llama", ModelTask.CausalLM);
        using var adapter = Lora(model);
        using var run = new ModelRun(model, adapter);
        var (batch, targets) = (TinyModels.Batch(model), TinyModels.Targets(model));
        AssertRefused(() => run.Hidden, () => run.Scores(), () => run.Loss(targets), () => run.Backward(targets));
        run.Forward(batch);
        AssertRefused(() => run.Backward(targets)); // dropout was off, and nothing was kept
        run.Train(batch, targets);
        AssertRefused(() => run.Scores(), () => run.Loss(targets), () => run.Backward(targets)); // used up
        int[] few = [.. Enumerable.Repeat(Targets.Ignored, 9), 3, 4];
        run.Forward(batch, Targets.PerToken(few)); // the other rows have not gone through the last layer
        AssertRefused(() => run.Scores(), () => run.Loss(targets), () => run.Backward(targets));
    }

    [Fact]
    public void Targets_that_do_not_fit_are_refused()
    {
        using var model = TinyModels.Create(backend, "bert", ModelTask.SequenceClassification, ProblemType.SingleLabel);
        using var run = new ModelRun(model);
        run.Forward(TinyModels.Batch(model));
        foreach (var (targets, part) in (IEnumerable<(Targets, string)>)[
            (Targets.PerSequence([0, 1]), "needs 3 labels, found 2"), (Targets.PerSequence([0, 1, 3]), "label 3"),
            (Targets.PerToken([0]), "needs 11 labels, found 1"),
            (Targets.PerOutput([1, 2], RegressionLoss.MeanSquaredError), "3 values each, found 2")])
            Assert.Contains(part, Assert.Throws<DataException>(() => run.Loss(targets)).Message,
                StringComparison.Ordinal);
    }

    [Fact]
    public void A_sequence_without_a_label_is_left_out()
    {
        using var model = TinyModels.Create(backend, "bert", ModelTask.SequenceClassification, ProblemType.SingleLabel);
        using var run = new ModelRun(model);
        run.Forward(TinyModels.Batch(model));
        var all = run.Loss(Targets.PerSequence([2, 0, 1]));
        var two = run.Loss(Targets.PerSequence([2, Targets.Ignored, 1]));
        var one = run.Loss(Targets.PerSequence([Targets.Ignored, 0, Targets.Ignored]));
        Assert.Equal((3, 2, 1), (all.Count, two.Count, one.Count));
        Assert.Equal(all.LossSum, (two + one).LossSum, 1e-6);
        Assert.Equal(2, run.Scores(Targets.PerSequence([2, Targets.Ignored, 1])).Rows);
    }

    [Fact]
    public void The_mean_loss_is_that_of_all_terms()
    {
        using var model = TinyModels.Create(backend, "bert", ModelTask.SequenceClassification, ProblemType.MultiLabel);
        using var run = new ModelRun(model);
        run.Forward(TinyModels.Batch(model));
        var result = run.Loss(TinyModels.Targets(model));
        Assert.Equal((3, 9), (result.Count, result.Terms));
        Assert.Equal(result.LossSum / 9, result.Loss);
    }

    [Fact]
    public void A_walk_under_one_adapter_is_made_once_over_the_same_memory()
    {
        using var model = TinyModels.Create(backend, "llama", ModelTask.CausalLM);
        using var adapter = Lora(model);
        using var run = new ModelRun(model) { Step = 4 };
        var under = run.Pass.Under(adapter);
        Assert.Equal(4UL, under.Step);
        run.Step = 6;
        Assert.Same(under, run.Pass.Under(adapter));
        Assert.Equal(6UL, under.Step);
        Assert.Same(run.Memory, under.Memory);
        Assert.Same(run.Rows, under.Rows);
        Assert.Equal<AttachmentSet>([adapter], under.Adapters.InForce);
        Assert.Empty(run.Adapters);
    }

    public void Dispose() => backend.Dispose();

    private static Adapter Lora(TransformerModel model) => new LoraConfig
    {
        R = 3, Dropout = 0.2, Targets = new TargetModules(null, "all-linear"),
        Initialization = LoraInitialization.Random,
    }.Create(model, seed: 4, trainable: true, "default");

    private float[] Gradients(Adapter adapter, Func<HeadResult> step, out HeadResult result)
    {
        backend.Fill(adapter.Buffer.Gradients, 0);
        result = step();
        return HostValues.Download(backend, adapter.Buffer.Gradients);
    }

    private static void AssertRefused(params Func<object>[] calls)
    {
        foreach (var call in calls) Assert.Throws<InvalidOperationException>(call);
    }
}
