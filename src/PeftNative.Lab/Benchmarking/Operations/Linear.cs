using PeftNative.Ops;

namespace PeftNative.Lab.Benchmarking.Operations;

/// <summary>A frozen linear layer [n, k] on m rows, with a low-rank pair where rank is not 0.</summary>
internal sealed class LinearBenchmark : OperationBenchmark
{
    /// <inheritdoc/>
    public override string Name => "linear";

    /// <inheritdoc/>
    public override IReadOnlyList<OperationSize> Sizes =>
        [new("m", 1024), new("k", 2048), new("n", 2048), new("rank", 0)];

    /// <inheritdoc/>
    public override IReadOnlyList<OperationCall> Prepare(BenchmarkOperands operands, Func<string, int> size)
    {
        var (m, k, n, r) = (size("m"), size("k"), size("n"), size("rank"));
        var w = operands.Matrix(n, k);
        var op = new LinearOp
        {
            X = operands.Matrix(m, k), W = w, Y = operands.Result(m, n),
            LowRank = r == 0 ? null : [Pair(operands, m, k, n, r)], LowRankCount = r == 0 ? 0 : 1,
        };
        var gradients = new LinearGradients
        {
            DY = operands.Matrix(m, n), DX = operands.Result(m, k), Scratch = operands.Result(1, m * (n + k + r)),
        };
        var (dense, pair) = (2.0 * m * n * k, 2.0 * m * r * (n + k));
        return
        [
            new("forward", () => operands.Backend.Forward(op)) { Operations = dense + pair },
            new("backward", () => operands.Backend.Backward(op, gradients)) { Operations = dense + 2 * pair },
        ];
    }

    private static LowRankPair Pair(BenchmarkOperands operands, int m, int k, int n, int r) => new()
    {
        A = operands.Parameter(r, k), B = operands.Parameter(n, r), Scale = 16.0 / r, RowCount = m,
        S = operands.Statistic(m, r),
        GradA = operands.Statistic(r, k), GradB = operands.Statistic(n, r),
    };
}

/// <summary>The same without a pair, of codes of 8 bits.</summary>
internal sealed class LinearOfCodesBenchmark : OperationBenchmark
{
    /// <inheritdoc/>
    public override string Name => "linear-int8";

    /// <inheritdoc/>
    public override IReadOnlyList<OperationSize> Sizes => [new("m", 1024), new("k", 2048), new("n", 2048)];

    /// <inheritdoc/>
    public override bool RunsOn(IBackend backend) => backend.MultipliesCodes;

    /// <inheritdoc/>
    public override IReadOnlyList<OperationCall> Prepare(BenchmarkOperands operands, Func<string, int> size)
    {
        var (m, k, n) = (size("m"), size("k"), size("n"));
        var op = new LinearOp { X = operands.Matrix(m, k), W = operands.Codes(n, k), WMaxima = operands.Parameter(1, n),
            Y = operands.Result(m, n) };
        var gradients = new LinearGradients { DY = operands.Matrix(m, n), DX = operands.Result(m, k) };
        return
        [
            new("forward", () => operands.Backend.Forward(op)) { Operations = 2.0 * m * n * k, OnCodes = true },
            new("backward", () => operands.Backend.Backward(op, gradients)) { Operations = 2.0 * m * n * k,
                OnCodes = true },
        ];
    }
}
