using PeftNative.Ops;

namespace PeftNative.Lab.Benchmarking.Operations;

/// <summary>Picking every second of m rows of width n.</summary>
internal sealed class GatherBenchmark : OperationBenchmark
{
    /// <inheritdoc/>
    public override string Name => "gather";

    /// <inheritdoc/>
    public override IReadOnlyList<OperationSize> Sizes => [new("m", 16384), new("n", 2048)];

    /// <inheritdoc/>
    public override IReadOnlyList<OperationCall> Prepare(BenchmarkOperands operands, Func<string, int> size)
    {
        var (m, n) = (size("m"), size("n"));
        var picked = m / 2;
        var op = new GatherOp { X = operands.Matrix(m, n), Rows = operands.Integers(1, picked, i => 2 * i),
            Y = operands.Result(picked, n) };
        var gradients = new GatherGradients { DY = operands.Matrix(picked, n), DX = operands.Result(m, n) };
        var rows = (double)picked * n * operands.ElementSize;
        return
        [
            new("forward", () => operands.Backend.Forward(op)) { Bytes = 2 * rows },
            new("backward", () => operands.Backend.Backward(op, gradients)) { Bytes = 3 * rows },
        ];
    }
}
