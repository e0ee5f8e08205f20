namespace PeftNative.Benchmarks.Ops;

/// <summary>Dropout.</summary>
public class DropoutBenchmarks() : OperationBenchmarks("dropout")
{
    /// <inheritdoc/>
    public override IEnumerable<string> Directions => ["forward"];
}
