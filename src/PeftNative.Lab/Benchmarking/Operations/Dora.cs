using PeftNative.Ops;

namespace PeftNative.Lab.Benchmarking.Operations;

/// <summary>DoRA's scale of a weight [n, k]: one reading of the weight.</summary>
internal sealed class DoraBenchmark : OperationBenchmark
{
    /// <inheritdoc/>
    public override string Name => "dora";

    /// <inheritdoc/>
    public override IReadOnlyList<OperationSize> Sizes => [new("k", 2048), new("n", 2048), new("rank", 8)];

    /// <inheritdoc/>
    public override IReadOnlyList<OperationCall> Prepare(BenchmarkOperands operands, Func<string, int> size)
    {
        var (k, n, r) = (size("k"), size("n"), size("rank"));
        var op = new DoraScaleOp
        {
            W = operands.Matrix(n, k), A = operands.Parameter(r, k), B = operands.Parameter(n, r), Scale = 16.0 / r,
            Magnitude = operands.Parameter(1, n), Norm = operands.Statistic(1, n), G = operands.Statistic(1, n),
        };
        return [new("forward", () => operands.Backend.Forward(op)) { Operations = 2.0 * n * k * (r + 1) }];
    }
}
