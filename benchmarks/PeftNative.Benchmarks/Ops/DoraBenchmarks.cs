namespace PeftNative.Benchmarks.Ops;

/// <summary>DoRA's scale.</summary>
public class DoraBenchmarks() : OperationBenchmarks("dora")
{
    /// <inheritdoc/>
    public override IEnumerable<string> Directions => ["forward"];
}
