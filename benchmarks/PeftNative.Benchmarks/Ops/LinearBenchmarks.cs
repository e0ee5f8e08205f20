namespace PeftNative.Benchmarks.Ops;

/// <summary>A frozen linear layer.</summary>
public class LinearBenchmarks() : OperationBenchmarks("linear")
{
    /// <inheritdoc/>
    public override IEnumerable<string> Directions => ["forward", "backward"];
}

/// <summary>A frozen linear layer of 8-bit codes.</summary>
public class LinearOfCodesBenchmarks() : OperationBenchmarks("linear-int8")
{
    /// <inheritdoc/>
    public override IEnumerable<string> Directions => ["forward", "backward"];
}
