namespace PeftNative.Lab.Comparison;

/// <summary>Some measurements of the same thing.</summary>
/// <param name="Values">The measurements, at least one.</param>
public sealed record Spread(IReadOnlyList<double> Values)
{
    /// <summary>Their mean.</summary>
    public double Mean => Values.Average();

    /// <summary>The middle one, of an even number the mean of the middle two.</summary>
    public double Median
    {
        get
        {
            double[] sorted = [.. Values.Order()];
            return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
        }
    }

    /// <summary>The smallest.</summary>
    public double Least => Values.Min();

    /// <summary>The largest.</summary>
    public double Most => Values.Max();

    /// <summary>The sample standard deviation; 0 for a single one.</summary>
    public double Deviation => Values.Count < 2 ? 0
        : Math.Sqrt(Values.Sum(v => (v - Mean) * (v - Mean)) / (Values.Count - 1));
}

/// <summary>One method over all its runs.</summary>
/// <param name="Method">The method.</param>
/// <param name="Trainable">Number of trained values.</param>
/// <param name="StoredBytes">Bytes of what must be stored.</param>
/// <param name="StepMilliseconds">Median time of a step, of the runs on the most records.</param>
/// <param name="TrainingBytes">Memory of the training beside the weights of the base.</param>
/// <param name="KnowledgeOn">What of the base's knowledge is there with the adapter in force, after the most
/// records.</param>
/// <param name="OffIsIdentical">Whether in all runs the base without the adapter was bit for bit what it was.</param>
/// <param name="Quality">The metric by number of records.</param>
public sealed record MethodSummary(
    ComparedMethod Method, long Trainable, long StoredBytes, double StepMilliseconds, long TrainingBytes,
    Spread KnowledgeOn,
    bool OffIsIdentical, IReadOnlyDictionary<int, Spread> Quality);

/// <summary>What a comparison comes to, method by method; of unfinished ones what is there. Immutable.</summary>
public sealed class ComparisonSummary
{
    /// <summary>Sums up results.</summary>
    public ComparisonSummary(ComparisonResults results)
    {
        (Facts, Plan, Portability) = (results.Facts!, results.Plan!, results.Portability);
        var cells = results.Cells;
        Cells = [.. cells.Where(c => c.Key.Task == cells[0].Key.Task)];
        Methods = [.. Plan.Methods.Select(Summarize).OfType<MethodSummary>()];
    }

    /// <summary>What was compared.</summary>
    public ComparisonFacts Facts { get; }

    /// <summary>With which means.</summary>
    public ComparisonPlan Plan { get; }

    /// <summary>The trial of changing adapters, or null.</summary>
    public PortabilityResult? Portability { get; }

    /// <summary>The runs of the main task.</summary>
    public IReadOnlyList<CellResult> Cells { get; }

    /// <summary>The methods that have a run, in the order of the plan.</summary>
    public IReadOnlyList<MethodSummary> Methods { get; }

    /// <summary>The methods proper.</summary>
    public IEnumerable<MethodSummary> Adapters => Methods.Where(m => !m.Method.IsBaseline);

    /// <summary>Full fine-tuning, if it took part.</summary>
    public MethodSummary? Full => Methods.FirstOrDefault(m => m.Method.Name == "full");

    /// <summary>The quality of a method on the most records; NaN where it has none.</summary>
    public double QualityOf(MethodSummary method, int? size = null) =>
        method.Quality.GetValueOrDefault(size ?? Plan.LargestSize)?.Mean ?? double.NaN;

    /// <summary>The method proper with the best mean on a number of records; null where none has a run.</summary>
    public MethodSummary? Best(int size) => Adapters.Where(m => m.Quality.ContainsKey(size))
        .MaxBy(m => QualityOf(m, size));

    /// <summary>
    /// The methods proper that are as good as full fine-tuning on the most records: their mean lies at most one
    /// standard deviation (of both over the seeds, added in squares) below its mean.
    /// </summary>
    public IEnumerable<MethodSummary> AsGoodAsFull =>
        Full?.Quality.GetValueOrDefault(Plan.LargestSize) is not { } full ? []
        : Adapters.Where(m => m.Quality.GetValueOrDefault(Plan.LargestSize) is { } own
            && own.Mean >= full.Mean
            - Math.Sqrt(own.Deviation * own.Deviation + full.Deviation * full.Deviation) - 1e-12);

    private MethodSummary? Summarize(ComparedMethod method)
    {
        var own = Cells.Where(c => c.Key.Method == method.Name).ToList();
        if (own.Count == 0) return null;
        var most = own.Where(c => c.Key.Size == own.Max(o => o.Key.Size)).ToList();
        return new MethodSummary(method, own[0].Trainable, own.Max(c => c.StoredBytes),
            new Spread([.. most.Select(c => c.StepMilliseconds)]).Median,
            most.Max(c => c.TrainingBytes), new Spread([.. most.Select(c => c.KnowledgeOn)]),
            own.All(c => c.OffIsIdentical),
            own.GroupBy(c => c.Key.Size)
                .ToDictionary(g => g.Key, g => new Spread([.. g.Select(c => c.Metrics[Facts.Metric])])));
    }
}
