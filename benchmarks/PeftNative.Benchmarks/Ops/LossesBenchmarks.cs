namespace PeftNative.Benchmarks.Ops;

/// <summary>Cross-entropy with its gradient.</summary>
public class LossBenchmarks() : OperationBenchmarks("loss")
{
    /// <inheritdoc/>
    public override IEnumerable<string> Directions => ["run"];
}
