namespace PeftNative.Benchmarks.Ops;

/// <summary>Picking rows.</summary>
public class GatherBenchmarks() : OperationBenchmarks("gather")
{
    /// <inheritdoc/>
    public override IEnumerable<string> Directions => ["forward", "backward"];
}
