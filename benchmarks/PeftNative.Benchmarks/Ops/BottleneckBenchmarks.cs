namespace PeftNative.Benchmarks.Ops;

/// <summary>A bottleneck adapter.</summary>
public class BottleneckBenchmarks() : OperationBenchmarks("bottleneck")
{
    /// <inheritdoc/>
    public override IEnumerable<string> Directions => ["forward", "backward"];
}
