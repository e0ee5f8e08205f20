using System.Diagnostics;
using PeftNative.Lab.Cases;
using PeftNative.Ops;

namespace PeftNative.Lab.Verification;

/// <summary>How the cases of one operation ended on a backend.</summary>
/// <param name="Operation">The operation.</param>
/// <param name="Cases">How many cases ran.</param>
/// <param name="Failed">How many of them failed.</param>
/// <param name="Error">The largest normalised mean square error, Σ (a - b)² / Σ b² over a row of an output, of the
/// cases that have one.</param>
/// <param name="WorstCase">The case that had it; null when every result was exact.</param>
/// <param name="Seconds">Time they took, the reference's included.</param>
public sealed record OperationSummary(string Operation, int Cases, int Failed, double Error, string? WorstCase,
    double Seconds);

/// <summary>A case that failed.</summary>
/// <param name="Case">Its name, which with the seed is all that is needed to repeat it.</param>
/// <param name="Failure">The first thing that did not hold.</param>
public sealed record OperationFailure(string Case, string Failure);

/// <summary>
/// Runs operation cases on a backend against the reference: values within the limits of the types (integers exactly),
/// guard zones intact, operands that may share memory do, outputs filled with NaN before, three runs with the same
/// bits. Not thread-safe.
/// </summary>
public sealed class OperationVerifier(IBackend backend)
{
    private readonly Dictionary<string, OperationSummary> summaries = [];
    private readonly List<OperationFailure> failures = [];

    /// <summary>The operations in the order in which they ran.</summary>
    public IReadOnlyCollection<OperationSummary> Summaries => summaries.Values;

    /// <summary>Every case that failed.</summary>
    public IReadOnlyList<OperationFailure> Failures => failures;

    /// <summary>Runs a case and counts it.</summary>
    public OperationResult Run(OperationCase operationCase)
    {
        var watch = Stopwatch.StartNew();
        var result = operationCase.Run(backend);
        var summary = summaries.GetValueOrDefault(operationCase.Operation)
            ?? new(operationCase.Operation, 0, 0, 0, null, 0);
        var isWorst = result.Error > summary.Error;
        summaries[operationCase.Operation] = summary with
        {
            Cases = summary.Cases + 1,
            Failed = summary.Failed + (result.Passed ? 0 : 1),
            Error = isWorst ? result.Error : summary.Error,
            WorstCase = isWorst ? operationCase.Name : summary.WorstCase,
            Seconds = summary.Seconds + watch.Elapsed.TotalSeconds,
        };
        if (!result.Passed)
            failures.Add(new OperationFailure(operationCase.Name, result.Failure ?? "no reason was given"));
        return result;
    }

    /// <summary>
    /// A choice for slow backends: of every operation each <paramref name="step"/>-th case, in the order in which they
    /// were drawn.
    /// </summary>
    public static IReadOnlyList<OperationCase> EveryNth(IReadOnlyList<OperationCase> cases, int step) =>
        [.. cases.GroupBy(c => c.Operation).SelectMany(g => g.Where((_, i) => i % step == 0))];
}
