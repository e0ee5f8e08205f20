namespace PeftNative.Benchmarks.Ops;

/// <summary>A step of AdamW.</summary>
public class AdamWBenchmarks() : OperationBenchmarks("adamw")
{
    /// <inheritdoc/>
    public override IEnumerable<string> Directions => ["run"];
}
