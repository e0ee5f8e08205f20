using PeftNative.Lab.Comparison;
using PeftNative.Models;
using PeftNative.Ops;

namespace PeftNative.Cli.Demo;

/// <summary>How much the demo does.</summary>
/// <param name="Steps">Optimizer steps of a run.</param>
/// <param name="FewRecords">The smaller number of lessons.</param>
/// <param name="Records">The larger one.</param>
/// <param name="ExamSize">Sentences in the exam.</param>
/// <param name="OwnTexts">Texts of the base's own kind, on which forgetting is measured.</param>
internal sealed record DemoPlan(int Steps, int FewRecords, int Records, int ExamSize, int OwnTexts)
{
    // The first is the one whose answers are shown, and that learns the other tasks too. Where a rate is given, the
    // usual one was not enough for so small a model; these were chosen from three each, with lessons and an exam of
    // another seed.
    private static readonly (string Name, double? LearningRate)[] Methods =
    [
        ("lora", null), ("ia3", 0.2), ("prefix", 0.12), ("prompt", 3), ("p_tuning", null), ("bottleneck", 6e-3),
        ("full", null),
    ];

    private const int BatchSize = 16, MostEpochs = 20;

    /// <summary>The plan that takes about a minute and a half on two cores.</summary>
    /// <remarks>
    /// The reference backend is a hundred times slower: there the demo shows that everything works, not how well.
    /// </remarks>
    public static DemoPlan For(IBackend backend) =>
        backend.Name == "reference" ? new(8, 16, 64, 4, 10) : new(200, 50, 1000, 40, 100);

    /// <summary>The comparison it is.</summary>
    public ComparisonPlan Comparison(TransformerModel model, ulong seed) => new()
    {
        Methods = [.. Methods.Select(m => ComparedMethods.Create(m.Name, model, m.LearningRate))],
        Sizes = [FewRecords, Records], Seeds = [seed],
        Budget = Steps, BatchSize = BatchSize, MostEpochs = MostEpochs,
    };
}
