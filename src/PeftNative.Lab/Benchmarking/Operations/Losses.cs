using PeftNative.Ops;

namespace PeftNative.Lab.Benchmarking.Operations;

/// <summary>Cross-entropy of m rows of scores over a vocabulary, with its gradient in their place.</summary>
internal sealed class LossBenchmark : OperationBenchmark
{
    /// <inheritdoc/>
    public override string Name => "loss";

    /// <inheritdoc/>
    public override IReadOnlyList<OperationSize> Sizes => [new("m", 512), new("vocab", 32000)];

    /// <inheritdoc/>
    public override IReadOnlyList<OperationCall> Prepare(BenchmarkOperands operands, Func<string, int> size)
    {
        var (m, vocabulary) = (size("m"), size("vocab"));
        var op = new CrossEntropyOp
        {
            Logits = operands.Matrix(m, vocabulary), Labels = operands.RandomIntegers(m, vocabulary),
            Loss = operands.Statistic(1, m),
            Gradient = true, GradientScale = 1.0 / m,
        };
        return [new("run", () => operands.Backend.Run(op)) { Bytes = 3.0 * m * vocabulary * operands.ElementSize }];
    }
}
