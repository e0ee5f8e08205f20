using System.Text;
using PeftNative.Backends.Reference;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Lab.Cases;

/// <summary>How the inputs of a case are drawn.</summary>
public enum Family
{
    /// <summary>Uniform in [-0.75, 1.25]: not centred, so that an error that averages out still shows.</summary>
    Uniform,

    /// <summary>Normal, with another power of two for every row.</summary>
    Mixed,

    /// <summary>Integers in [-4, 4]: sums of products are exact in any order, so results must be equal, not
    /// close.</summary>
    Integers,

    /// <summary>Normal, with denormals, zeros of both signs and large values strewn in.</summary>
    Adversarial,
}

/// <summary>How a case ended on a backend.</summary>
/// <param name="Passed">Whether everything held.</param>
/// <param name="Error">The largest normalised mean square error of an output.</param>
/// <param name="Failure">The first thing that did not hold, or null.</param>
public sealed record OperationResult(bool Passed, double Error, string? Failure);

/// <summary>
/// One operation with sizes and options, forward and (where it has one) backward, that runs on any backend. Inputs are
/// a pure function of the seed and the name, so a failure can be repeated from its name. The name lists the options
/// that are on.
/// </summary>
public abstract record OperationCase
{
    // Enough that a sign or an order that is a matter of rounding changes in one of them.
    private const int Perturbations = 24;

    private protected OperationCase()
    {
    }

    /// <summary>The operation, as in the name of its record: Linear, Attention, ...</summary>
    public string Operation => GetType().Name[..^"Case".Length];

    /// <summary>The operation with its parameters, such as <c>Linear(uniform,m=5,k=17,n=3,bias)</c>.</summary>
    public string Name => field ??= Describe();

    internal ulong Seed { get; init; }

    internal Family Family { get; init; }

    /// <summary>Whether operands are parts of wider matrices, at odd addresses.</summary>
    internal bool Strided { get; init; }

    /// <summary>Whether the limits of matrix products apply, not those of elementwise operations.</summary>
    private protected virtual bool IsProduct => false;

    /// <summary>
    /// Runs the case and compares with the reference in fp64: values within the limits of the type, nothing written
    /// outside the results, inputs left alone, and the same bits when it runs twice more.
    /// </summary>
    /// <param name="backend">The backend to test.</param>
    /// <param name="weightType">The type of frozen weights, where it is not the backend's compute type.</param>
    /// <param name="twins">Other instances, for instance with more threads, that must give the same bits.</param>
    public OperationResult Run(IBackend backend, DType? weightType = null, params IReadOnlyList<IBackend> twins)
    {
        var tested = new CaseSetting(this, backend.ComputeType, weightType ?? backend.ComputeType);
        var aliased = tested with { MayAlias = true };
        try
        {
            using var oracle = ReferenceBackend.Create(DType.Float64);
            var expected = Outputs(tested, oracle);
            var actual = Outputs(aliased, backend);
            var comparison = new CaseComparison(tested.Limits(IsProduct), () => Perturbed(tested));
            comparison.Compare(expected, actual);
            comparison.CompareBits(actual, Outputs(aliased, backend), "a second run");
            comparison.CompareBits(actual, Outputs(aliased, backend), "a third run");
            foreach (var twin in twins)
                comparison.CompareBits(actual, Outputs(aliased, twin), $"the twin ({twin.Description})");
            return new(comparison.Failure is null, comparison.Error, comparison.Failure);
        }
        catch (CaseFailedException e)
        {
            return new(false, double.NaN, e.Message);
        }
    }

    /// <summary>Makes the operands and runs the operation; the same code for every backend.</summary>
    internal abstract void Execute(CaseRun run);

    /// <summary>The options of a case are its name, see <see cref="Describe"/>.</summary>
    protected virtual bool PrintMembers(StringBuilder builder)
    {
        builder.Append(nameof(Family)).Append(" = ").Append(Family);
        builder.Append(", ").Append(nameof(Strided)).Append(" = ").Append(Strided);
        return true;
    }

    private IReadOnlyList<CaseOutput> Outputs(CaseSetting setting, IBackend backend)
    {
        using var run = new CaseRun(setting, backend);
        Execute(run);
        return run.Finish();
    }

    /// <summary>
    /// The reference once more, in the tested type and with inputs that differ in their last bits: how much of an error
    /// is in the nature of the problem (cancellation, ill-conditioned inputs) and not the fault of a backend.
    /// </summary>
    private IReadOnlyList<CaseOutput>[] Perturbed(CaseSetting tested)
    {
        using var naive = ReferenceBackend.Create(tested.InputType);
        return [.. Enumerable.Range(1, Perturbations).Select(i => Outputs(tested with { Perturbation = i }, naive))];
    }

    private string Describe()
    {
        var builder = new StringBuilder();
        PrintMembers(builder);
        var members = builder.ToString().Split(", ").Select(m => m.Split(" = "));
        var on = members.Where(m => m[1] is not ("False" or "" or "None") && (m[1] != "0" || m[0].Length == 1));
        var shown = on.Select(m =>
            m[0] == nameof(Family) ? CamelCase(m[1]) : m[1] == "True" ? CamelCase(m[0]) : $"{CamelCase(m[0])}={m[1]}");
        return $"{Operation}({string.Join(",", shown)})";
    }

    private static string CamelCase(string word) => char.ToLowerInvariant(word[0]) + word[1..];
}

/// <summary>A backend touched what it must not touch, or a case is ill-formed.</summary>
internal sealed class CaseFailedException(string message) : Exception(message);
