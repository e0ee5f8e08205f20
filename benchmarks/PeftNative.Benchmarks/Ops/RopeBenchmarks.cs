namespace PeftNative.Benchmarks.Ops;

/// <summary>Rotary positions.</summary>
public class RopeBenchmarks() : OperationBenchmarks("rope")
{
    /// <inheritdoc/>
    public override IEnumerable<string> Directions => ["forward", "backward"];
}
