using PeftNative.Ops;

namespace PeftNative.Lab.Benchmarking.Operations;

/// <summary>SwiGLU of m rows of width n.</summary>
internal sealed class GateBenchmark : OperationBenchmark
{
    /// <inheritdoc/>
    public override string Name => "gate";

    /// <inheritdoc/>
    public override IReadOnlyList<OperationSize> Sizes => [new("m", 8192), new("n", 2048)];

    /// <inheritdoc/>
    public override IReadOnlyList<OperationCall> Prepare(BenchmarkOperands operands, Func<string, int> size)
    {
        var (m, n) = (size("m"), size("n"));
        var op = new GateOp { X = operands.Matrix(m, n), Up = operands.Matrix(m, n), Activation = Activation.Silu,
            Y = operands.Result(m, n) };
        var gradients = new GateGradients { DY = operands.Matrix(m, n), DX = operands.Result(m, n),
            DUp = operands.Result(m, n) };
        var matrix = (double)m * n * operands.ElementSize;
        return
        [
            new("forward", () => operands.Backend.Forward(op)) { Bytes = 3 * matrix },
            new("backward", () => operands.Backend.Backward(op, gradients)) { Bytes = 5 * matrix },
        ];
    }
}
