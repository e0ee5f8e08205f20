namespace PeftNative.Benchmarks.Ops;

/// <summary>SwiGLU.</summary>
public class GateBenchmarks() : OperationBenchmarks("gate")
{
    /// <inheritdoc/>
    public override IEnumerable<string> Directions => ["forward", "backward"];
}
