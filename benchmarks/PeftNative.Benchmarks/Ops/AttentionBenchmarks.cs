namespace PeftNative.Benchmarks.Ops;

/// <summary>Causal attention.</summary>
public class AttentionBenchmarks() : OperationBenchmarks("attention")
{
    /// <inheritdoc/>
    public override IEnumerable<string> Directions => ["forward", "backward"];
}
