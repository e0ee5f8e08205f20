using PeftNative.Ops;

namespace PeftNative.Lab.Benchmarking.Operations;

/// <summary>RMSNorm of m rows of width n.</summary>
internal sealed class NormBenchmark : OperationBenchmark
{
    /// <inheritdoc/>
    public override string Name => "norm";

    /// <inheritdoc/>
    public override IReadOnlyList<OperationSize> Sizes => [new("m", 8192), new("n", 2048)];

    /// <inheritdoc/>
    public override IReadOnlyList<OperationCall> Prepare(BenchmarkOperands operands, Func<string, int> size)
    {
        var (m, n) = (size("m"), size("n"));
        var op = new NormOp
        {
            X = operands.Matrix(m, n), Gamma = operands.Parameter(1, n), Kind = NormKind.RmsNorm,
            Epsilon = 1e-6, Groups = 1,
            Rstd = operands.Statistic(m, 1), Y = operands.Result(m, n),
        };
        var gradients = new NormGradients { DY = operands.Matrix(m, n), DX = operands.Result(m, n) };
        var matrix = (double)m * n * operands.ElementSize;
        return
        [
            new("forward", () => operands.Backend.Forward(op)) { Bytes = 2 * matrix },
            new("backward", () => operands.Backend.Backward(op, gradients)) { Bytes = 3 * matrix },
        ];
    }
}
