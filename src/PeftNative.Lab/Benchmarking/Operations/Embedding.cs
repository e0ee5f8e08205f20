using PeftNative.Ops;

namespace PeftNative.Lab.Benchmarking.Operations;

/// <summary>Looking up m random tokens in a table [vocab, n].</summary>
internal sealed class EmbeddingBenchmark : OperationBenchmark
{
    /// <inheritdoc/>
    public override string Name => "embedding";

    /// <inheritdoc/>
    public override IReadOnlyList<OperationSize> Sizes => [new("m", 8192), new("n", 2048), new("vocab", 32000)];

    /// <inheritdoc/>
    public override IReadOnlyList<OperationCall> Prepare(BenchmarkOperands operands, Func<string, int> size)
    {
        var (m, n, vocabulary) = (size("m"), size("n"), size("vocab"));
        var op = new EmbeddingOp
        {
            Tokens = operands.RandomIntegers(m, vocabulary), Table = operands.Matrix(vocabulary, n), TokenScale = 1,
            Y = operands.Result(m, n),
        };
        return [new("forward", () => operands.Backend.Forward(op)) { Bytes = 2.0 * m * n * operands.ElementSize }];
    }
}
