namespace PeftNative.Benchmarks.Ops;

/// <summary>RMSNorm.</summary>
public class NormBenchmarks() : OperationBenchmarks("norm")
{
    /// <inheritdoc/>
    public override IEnumerable<string> Directions => ["forward", "backward"];
}
