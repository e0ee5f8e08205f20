using PeftNative.Ops;

namespace PeftNative.Lab.Cases;

/// <summary>The cases every backend must pass.</summary>
public static class OperationCases
{
    /// <summary>The seed of the tests.</summary>
    public const ulong DefaultSeed = 20260917;

    /// <summary>
    /// All cases of all operations, each name once. Which options and sizes are drawn, and the inputs, depend on the
    /// seed alone.
    /// </summary>
    public static IReadOnlyList<OperationCase> All(ulong seed = DefaultSeed)
    {
        Func<CaseRandom, IEnumerable<OperationCase>>[] samplers =
        [
            LinearCase.Sample, DoraScaleCase.Sample, EmbeddingCase.Sample, NormCase.Sample, RopeCase.Sample,
            AttentionCase.Sample, GateCase.Sample, DropoutCase.Sample, GatherCase.Sample, CrossEntropyCase.Sample,
            RegressionLossCase.Sample, AdamWCase.Sample, SumOfSquaresCase.Sample, ElementwiseCase.Sample,
            DequantizeCase.Sample, BottleneckCase.Sample, BlockFormatCase.Sample,
        ];
        return [.. samplers.SelectMany((sample, i) => sample(new CaseRandom(seed, (ulong)i)))
            .Select(c => c with { Seed = seed })
            .DistinctBy(c => c.Name)];
    }

    /// <summary>
    /// Those of linear layers whose weight is codes, for backends that multiply them
    /// (<see cref="IBackend.MultipliesCodes"/>).
    /// </summary>
    public static IReadOnlyList<OperationCase> WithCodes(ulong seed = DefaultSeed) =>
        [.. LinearCase.SampleCodes(new CaseRandom(seed, ulong.MaxValue)).Select(c => c with { Seed = seed })
            .DistinctBy(c => c.Name)];
}
