using PeftNative.Ops;

namespace PeftNative.Lab.Benchmarking.Operations;

/// <summary>One step of AdamW over n values.</summary>
internal sealed class AdamWBenchmark : OperationBenchmark
{
    /// <inheritdoc/>
    public override string Name => "adamw";

    /// <inheritdoc/>
    public override IReadOnlyList<OperationSize> Sizes => [new("n", 16 << 20)];

    /// <inheritdoc/>
    public override IReadOnlyList<OperationCall> Prepare(BenchmarkOperands operands, Func<string, int> size)
    {
        var n = size("n");
        var op = new AdamWOp
        {
            Values = operands.Parameter(1, n), Gradients = operands.Parameter(1, n),
            FirstMoment = operands.Statistic(1, n),
            SecondMoment = operands.Statistic(1, n), Step = 1, LearningRate = 1e-4, Beta1 = 0.9, Beta2 = 0.999,
            Epsilon = 1e-8,
            WeightDecay = 0.01, GradientScale = 1,
        };
        return [new("run", () => operands.Backend.Run(op)) { Bytes = 7.0 * n * sizeof(float) }];
    }
}
