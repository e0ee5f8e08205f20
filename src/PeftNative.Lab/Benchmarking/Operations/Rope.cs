using PeftNative.Ops;

namespace PeftNative.Lab.Benchmarking.Operations;

/// <summary>Rotary positions of all heads, in place.</summary>
internal sealed class RopeBenchmark : OperationBenchmark
{
    private const int Positions = 2048;

    /// <inheritdoc/>
    public override string Name => "rope";

    /// <inheritdoc/>
    public override IReadOnlyList<OperationSize> Sizes => [new("m", 32768), new("heads", 12), new("head_dim", 64)];

    /// <inheritdoc/>
    public override IReadOnlyList<OperationCall> Prepare(BenchmarkOperands operands, Func<string, int> size)
    {
        var (m, heads, dim) = (size("m"), size("heads"), size("head_dim"));
        var op = new RopeOp
        {
            X = operands.Matrix(m, heads * dim), Heads = heads, HeadStride = dim,
            Positions = operands.Integers(1, m, i => i % Positions),
            Cos = operands.Parameter(Positions, dim / 2), Sin = operands.Parameter(Positions, dim / 2),
        };
        var bytes = 2.0 * m * heads * dim * operands.ElementSize;
        return
        [
            new("forward", () => operands.Backend.Forward(op)) { Bytes = bytes },
            new("backward", () => operands.Backend.Backward(op)) { Bytes = bytes },
        ];
    }
}
