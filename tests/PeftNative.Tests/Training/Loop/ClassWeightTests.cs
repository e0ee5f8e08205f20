using PeftNative.Data.Encoding;
using PeftNative.Data.Reading;
using PeftNative.Models;
using PeftNative.Models.Steps;
using PeftNative.Peft.Baselines;
using PeftNative.Tensors;
using PeftNative.Tests.Models;
using PeftNative.Training.Loop;
using Xunit;

namespace PeftNative.Tests.Training.Loop;

/// <summary>
/// Loss and gradients with a factor for every label, against the same rows one at a time: Σ w ℓ / Σ w.
/// </summary>
public class ClassWeightTests
{
    private static readonly double[] Weights = [0.25, 3, 1];

    public static TheoryData<string, ModelTask> Cases => new(
        from backend in (string[])["reference", "cpu"]
        from task in (ModelTask[])[ModelTask.SequenceClassification, ModelTask.TokenClassification]
        select (backend, task));

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_weighted_batch_is_its_rows_one_by_one(string name, ModelTask task)
    {
        using var backend = BackendOrSkip.Create(name);
        using var model = TinyModels.Create(backend, "bert", task, ProblemType.SingleLabel);
        using var adapter = new FullConfig().Create(model, seed: 3, trainable: true, "default");
        using var run = new ModelRun(model, adapter);
        var (batch, targets) = (TinyModels.Batch(model), TinyModels.Targets(model));
        var labels = targets.Labels!.Where(l => l != Targets.Ignored).ToList();
        var total = labels.Sum(l => Weights[l]);

        var (loss, gradients) = Step(run, batch, targets with { ClassWeights = Weights });
        var (expectedLoss, expected) = (0.0, new double[gradients.Length]);
        for (var label = 0; label < Weights.Length; label++)
        {
            // The rows of one label alone, summed instead of averaged.
            int[] alone = Array.ConvertAll(targets.Labels!, l => l == label ? l : Targets.Ignored);
            var (sum, part) = Step(run, batch, targets.Labels!.Length == 3
                ? Targets.PerSequence(alone, 1) : Targets.PerToken(alone, 1));
            expectedLoss += Weights[label] * sum / total;
            for (var i = 0; i < part.Length; i++) expected[i] += Weights[label] * part[i] / total;
        }
        Assert.Equal(expectedLoss, loss / total, 1e-5);
        var largest = expected.Max(Math.Abs);
        for (var i = 0; i < expected.Length; i++) Assert.Equal(expected[i], gradients[i], 1e-5 * largest);
        // It is another gradient than without factors.
        var plain = Step(run, batch, targets).Gradients;
        Assert.Contains(Enumerable.Range(0, plain.Length), i => Math.Abs(plain[i] - gradients[i]) > 0.05 * largest);
    }

    [Fact]
    public void Balanced_labels_weigh_the_same_in_sum()
    {
        Example[] examples = [.. Enumerable.Range(0, 12).Select(i => new Example
        {
            Ids = [1], Class = i < 9 ? 0 : 2, Origin = new RecordOrigin("", i),
        })];
        var weights = ClassWeights.Balanced(examples, 3);
        Assert.Equal([12 / (2.0 * 9), 1, 12 / (2.0 * 3)], weights); // scikit-learn: n / (k n_c)
        Assert.Equal(9 * weights[0], 3 * weights[2], 1e-12);
    }

    [Fact]
    public void Words_are_counted_by_their_tags()
    {
        var example = new Example { Ids = [1, 2, 3, 4], Labels = [Example.Masked, 0, 0, 1],
            Origin = new RecordOrigin("", 1) };
        Assert.Equal([0.75, 1.5], ClassWeights.Balanced([example], 2));
    }

    [Fact]
    public void Labels_of_weight_zero_alone_count_for_nothing()
    {
        using var backend = BackendOrSkip.Create("reference");
        using var model = TinyModels.Create(backend, "bert", ModelTask.SequenceClassification, ProblemType.SingleLabel);
        using var adapter = new FullConfig().Create(model, seed: 3, trainable: true, "default");
        using var run = new ModelRun(model, adapter);
        var (loss, gradients) = Step(run, TinyModels.Batch(model),
            TinyModels.Targets(model) with { ClassWeights = [0, 0, 0] });
        Assert.Equal(0, loss);
        Assert.All(gradients, g => Assert.Equal(0, g));
    }

    private static (double Loss, double[] Gradients) Step(ModelRun run, TokenBatch batch, Targets targets)
    {
        var buffer = ((PeftNative.Peft.Adapters.Adapter)run.Adapters[0]).Buffer.Gradients;
        run.Model.Backend.Fill(buffer, 0);
        var result = run.Train(batch, targets);
        return (result.LossSum, HostValues.DownloadDoubles(run.Model.Backend, buffer));
    }
}
