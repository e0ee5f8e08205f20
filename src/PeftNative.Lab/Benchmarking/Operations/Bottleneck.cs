using PeftNative.Ops;

namespace PeftNative.Lab.Benchmarking.Operations;

/// <summary>A bottleneck adapter of width b on m rows of n features.</summary>
internal sealed class BottleneckBenchmark : OperationBenchmark
{
    /// <inheritdoc/>
    public override string Name => "bottleneck";

    /// <inheritdoc/>
    public override IReadOnlyList<OperationSize> Sizes => [new("m", 1024), new("n", 2048), new("b", 64)];

    /// <inheritdoc/>
    public override IReadOnlyList<OperationCall> Prepare(BenchmarkOperands operands, Func<string, int> size)
    {
        var (m, n, b) = (size("m"), size("n"), size("b"));
        var op = new BottleneckOp
        {
            X = operands.Matrix(m, n), DownWeight = operands.Parameter(b, n), DownBias = operands.Parameter(1, b),
            Activation = Activation.Relu,
            UpWeight = operands.Parameter(n, b), UpBias = operands.Parameter(1, n), Residual = operands.Matrix(m, n),
            Down = operands.Result(m, b), Inner = operands.Result(m, b), Y = operands.Result(m, n),
        };
        var gradients = new BottleneckGradients
        {
            DY = operands.Matrix(m, n), DX = operands.Result(m, n), DDownWeight = operands.Statistic(b, n),
            DDownBias = operands.Statistic(1, b),
            DUpWeight = operands.Statistic(n, b), DUpBias = operands.Statistic(1, n),
            Scratch = operands.Result(1, m * (n + 2 * b)),
        };
        var product = 2.0 * m * n * b;
        return
        [
            new("forward", () => operands.Backend.Forward(op)) { Operations = 2 * product },
            new("backward", () => operands.Backend.Backward(op, gradients)) { Operations = 4 * product },
        ];
    }
}
