using PeftNative.Backends.Reference;
using PeftNative.Data.Encoding;
using PeftNative.Lab.Comparison;
using PeftNative.Peft.Baselines;
using PeftNative.Peft.Ia3;
using PeftNative.Peft.Lora;
using PeftNative.Peft.Matching;
using PeftNative.Tensors;
using PeftNative.Tests.Data;
using PeftNative.Tests.Models;
using Xunit;

namespace PeftNative.Tests.Comparison;

/// <summary>The logic of comparisons: order, steps, spreads, what counts as equal, the file.</summary>
public sealed class ComparisonTests
{
    private static readonly ComparisonPlan Plan = new()
    {
        Methods = [new("lora", new LoraConfig(), 1e-3), new("ia3", new Ia3Config(), 1e-2),
            new("full", new FullConfig(), 1e-4)],
        Sizes = [10, 100], Seeds = [1, 2], Budget = 50, MostEpochs = 20, BatchSize = 4,
    };

    [Fact]
    public void Runs_go_seed_by_seed_from_the_most_records_to_the_fewest_and_end_with_the_other_tasks()
    {
        var order = MethodComparison.Order(Plan, ["main", "other"]);
        Assert.Equal(13, order.Count);
        Assert.Equal(order.Count, order.Distinct().Count());
        Assert.Equal(new CellKey("main", "lora", 100, 1), order[0]);
        Assert.Equal(new CellKey("main", "lora", 10, 1), order[3]);
        Assert.Equal(new CellKey("main", "lora", 100, 2), order[6]);
        Assert.Equal(new CellKey("other", "lora", 100, 1), order[12]);
    }

    [Fact]
    public void Few_records_end_a_run_by_passes_and_many_by_the_budget()
    {
        Assert.Equal(20, Plan.StepsFor(4));
        Assert.Equal(40, Plan.StepsFor(5)); // two batches a pass
        Assert.Equal(50, Plan.StepsFor(1000));
        Assert.Equal(1, (Plan with { MostEpochs = 0.01 }).StepsFor(10));
    }

    [Fact]
    public void A_spread_is_the_sample_deviation()
    {
        var spread = new Spread([1, 2, 4]);
        Assert.Equal(7.0 / 3, spread.Mean, 12);
        Assert.Equal(Math.Sqrt(7.0 / 3), spread.Deviation, 12);
        Assert.Equal((1, 4), (spread.Least, spread.Most));
        Assert.Equal(2, spread.Median);
        Assert.Equal(3, new Spread([9, 1, 4, 2]).Median);
        Assert.Equal(0, new Spread([5]).Deviation);
    }

    [Fact]
    public void A_method_is_as_good_as_full_fine_tuning_within_the_spread_of_both()
    {
        using var folder = new TemporaryFolder();
        var results = ComparisonResults.Open(folder.Root);
        results.Begin(Facts, Plan, MethodComparison.Order(Plan, ["main"]));
        foreach (var (method, seed, quality) in ((string, ulong, double)[])
            [("full", 1, 0.80), ("full", 2, 0.90), ("lora", 1, 0.79), ("lora", 2, 0.80), ("ia3", 1, 0.70),
                ("ia3", 2, 0.72)])
            results.Add(Cell(new CellKey("main", method, 100, seed), quality));
        var summary = new ComparisonSummary(results);
        Assert.Equal(["lora"], summary.AsGoodAsFull.Select(m => m.Method.Name));
        Assert.Equal("lora", summary.Best(100)!.Method.Name);
        Assert.Null(summary.Best(10));
        Assert.Equal(0.85, summary.QualityOf(summary.Full!), 12);
        Assert.Equal(["lora", "ia3"], summary.Adapters.Select(m => m.Method.Name));
    }

    [Fact]
    public void Cells_are_read_as_they_were_written_and_only_by_the_same_recipe()
    {
        using var folder = new TemporaryFolder();
        var cell = Cell(new CellKey("main", "lora", 100, 1), 0.5) with
        {
            Continuations = [new Continuation("a \"b\"", "c", "d\n")], Curve = [(1, 2.5), (2, 1e-7)],
            Adapter = "adapters/x",
        };
        var written = ComparisonResults.Open(folder.Root);
        written.Begin(Facts, Plan, [cell.Key]);
        written.Add(cell);
        var read = ComparisonResults.Open(folder.Root);
        var found = read.Find(cell.Key, cell.Recipe)!;
        Assert.Equivalent(cell, found);
        Assert.Null(read.Find(cell.Key, "another"));
        Assert.Null(read.Find(cell.Key with { Seed = 2 }, cell.Recipe));
    }

    [Fact]
    public void Rates_go_with_the_inverse_of_the_width_and_methods_suit_the_model()
    {
        using var backend = ReferenceBackend.Create(DType.Float32);
        using var llama = TinyModels.Create(backend, "llama", ModelTask.CausalLM);
        using var bert = TinyModels.Create(backend, "bert", ModelTask.SequenceClassification);
        Assert.Equal(5e-4 * 768 / 10, ComparedMethods.Create("lora", llama).LearningRate, 12);
        Assert.Equal(0.25, ComparedMethods.Create("lora", llama, 0.25).LearningRate);
        Assert.DoesNotContain("head", ComparedMethods.NamesFor(llama));
        Assert.Equal(ComparedMethods.Names, ComparedMethods.NamesFor(bert));
        Assert.Equal(["full", "top_layers", "bitfit", "head"],
            ComparedMethods.Names.Where(n => ComparedMethods.Create(n, bert).IsBaseline));
        Assert.Throws<UsageException>(() => ComparedMethods.Create("lorra", llama));
    }

    [Fact]
    public void The_base_is_most_like_itself_and_its_own_texts_repeat_for_a_seed()
    {
        using var backend = ReferenceBackend.Create(DType.Float32);
        using var model = TinyModels.Create(backend, "llama", ModelTask.CausalLM);
        var first = OwnTexts.Sample(model, begin: 1, count: 4, tokens: 6, seed: 3);
        var again = OwnTexts.Sample(model, begin: 1, count: 4, tokens: 6, seed: 3);
        Assert.Equal(first.Examples.Select(e => string.Join(' ', e.Ids)),
            again.Examples.Select(e => string.Join(' ', e.Ids)));
        Assert.All(first.Examples, e => Assert.Equal(Example.Masked, e.Labels![0]));

        var likeness = new StateSimilarity(first.Examples);
        Assert.Equal(1, likeness.Measure(model), 5);
        using var adapter = new LoraConfig { R = 2, Targets = new TargetModules(null, "all-linear"),
            Initialization = LoraInitialization.Random }.Create(model, 1, trainable: false, "a");
        Assert.InRange(likeness.Measure(model, adapter), -1, 0.9999);
        Assert.Equal(1, likeness.Measure(model), 5);
        var probe = new ModelProbe(first.Examples);
        Assert.Equal(probe.Digest(model), probe.Digest(model));
        Assert.NotEqual(probe.Digest(model), probe.Digest(model, adapter));
    }

    [Fact]
    public void The_quality_is_the_strictest_metric_there_is()
    {
        Assert.Equal("exact_match",
            MethodComparison.QualityMetric(new Dictionary<string, double> { ["token_accuracy"] = 1,
                ["exact_match"] = 0 }));
        Assert.Equal("accuracy",
            MethodComparison.QualityMetric(new Dictionary<string, double> { ["loss"] = 1, ["accuracy"] = 0 }));
        Assert.Equal("pearson",
            MethodComparison.QualityMetric(new Dictionary<string, double> { ["loss"] = 1, ["pearson"] = 0 }));
    }

    private static readonly ComparisonFacts Facts = new()
    {
        Model = "m", Family = "llama", Parameters = 100, ModelBytes = 200, WeightBytes = 400, Data = "main",
        EvaluationExamples = 8, Metric = "accuracy",
        Knowledge = "perplexity", KnowledgeLowerIsBetter = true, KnowledgeBefore = 2,
        Before = new Dictionary<string, double> { ["accuracy"] = 0.5 },
        Machine = "test",
    };

    private static CellResult Cell(CellKey key, double quality) => new()
    {
        Key = key, Recipe = "r", LearningRate = 1e-3, Trainable = 10, StoredBytes = 40, Steps = 2,
        StepMilliseconds = 1.5, Seconds = 3,
        TrainingBytes = 50, Curve = [(1, 1.0)], Metrics = new Dictionary<string, double> { ["accuracy"] = quality },
        KnowledgeOn = 2.5,
        OffIsIdentical = true, Probe = "p",
    };
}
