namespace PeftNative.Benchmarks.Ops;

/// <summary>Looking up tokens.</summary>
public class EmbeddingBenchmarks() : OperationBenchmarks("embedding")
{
    /// <inheritdoc/>
    public override IEnumerable<string> Directions => ["forward"];
}
