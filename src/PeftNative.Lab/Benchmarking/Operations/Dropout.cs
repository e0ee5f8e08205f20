using PeftNative.Ops;

namespace PeftNative.Lab.Benchmarking.Operations;

/// <summary>Dropout of m rows of width n with a mask made on the spot.</summary>
internal sealed class DropoutBenchmark : OperationBenchmark
{
    /// <inheritdoc/>
    public override string Name => "dropout";

    /// <inheritdoc/>
    public override IReadOnlyList<OperationSize> Sizes => [new("m", 8192), new("n", 2048)];

    /// <inheritdoc/>
    public override IReadOnlyList<OperationCall> Prepare(BenchmarkOperands operands, Func<string, int> size)
    {
        var (m, n) = (size("m"), size("n"));
        var op = new DropoutOp { X = operands.Matrix(m, n), Mask = new DropoutMask(0.1f, 1, 2),
            Y = operands.Result(m, n) };
        return [new("forward", () => operands.Backend.Forward(op)) { Bytes = 2.0 * m * n * operands.ElementSize }];
    }
}
