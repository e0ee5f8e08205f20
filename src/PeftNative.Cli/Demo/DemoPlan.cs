using PeftNative.Ops;
using PeftNative.Peft;
using PeftNative.Peft.Lora;
using PeftNative.Training;

namespace PeftNative.Cli.Demo;

/// <summary>How much the demo does.</summary>
/// <param name="Steps">Optimizer steps.</param>
/// <param name="BatchSize">Lessons per step.</param>
/// <param name="ExamSize">Sentences in the exam.</param>
/// <param name="OwnTexts">Texts of the base's own kind, on which forgetting is measured.</param>
internal sealed record DemoPlan(int Steps, int BatchSize, int ExamSize, int OwnTexts)
{
    /// <summary>The most tokens an answer may have.</summary>
    public const int AnswerTokens = 96;

    private const int Evaluations = 12;

    /// <summary>The adapter.</summary>
    public static LoraConfig Method =>
        new() { R = 8, Alpha = 16, Targets = new TargetModules(null, "all-linear"), BaseModel = "demo-base" };

    /// <summary>The plan that takes about a minute on two cores.</summary>
    /// <remarks>
    /// The reference backend is a hundred times slower: there the demo shows that everything works, not how well.
    /// </remarks>
    public static DemoPlan For(IBackend backend) =>
        backend.Name == "reference" ? new(60, 4, 6, 10) : new(240, 16, 40, 100);

    /// <summary>The training.</summary>
    public TrainerOptions Training(ulong seed) => new()
    {
        MaxSteps = Steps,
        BatchSize = BatchSize,
        LearningRate = 4e-3,
        LrScheduler = "cosine",
        WarmupSteps = Steps / 12,
        Seed = seed,
        EvalSteps = Math.Max(1, Steps / Evaluations),
        SaveSteps = 0,
    };
}
