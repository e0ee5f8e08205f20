using PeftNative.Models.Layers;

namespace PeftNative.Models;

/// <summary>
/// All that makes the operations of two training steps of one pass the same but for what is uploaded: lengths of the
/// sequences, number of targets, and where the backend's memory is.
/// </summary>
internal sealed class StepLayout : IEquatable<StepLayout>
{
    private readonly long[] parts;
    private readonly int hash;

    private StepLayout(long[] parts)
    {
        this.parts = parts;
        var code = new HashCode();
        foreach (var part in parts) code.Add(part);
        hash = code.ToHashCode();
    }

    /// <summary>The layout of the step that a pass has begun.</summary>
    public static StepLayout Of(Pass pass)
    {
        var targets = pass.States.Head.Targets;
        var (target, source) = (pass.Rows.Target, pass.Rows.Source);
        List<long> parts = new(target.SequenceCount + (source?.SequenceCount ?? 0) + 16)
        {
            target.Tokens.Pointer, target.Prefix?.Count ?? 0, target.VirtualCount, source?.VirtualCount ?? 0,
            targets.Count, targets.Labels is null ? (long)targets.ValueLoss : -1, target.SequenceCount,
        };
        foreach (var (cosines, sines) in pass.Rows.RopeTables)
            parts.AddRange([cosines.Pointer, sines.Pointer, cosines.Rows]);
        foreach (var offset in target.RowOffsets) parts.Add(offset);
        if (source is not null)
            foreach (var offset in source.RowOffsets) parts.Add(offset);
        return new StepLayout([.. parts]);
    }

    /// <inheritdoc/>
    public bool Equals(StepLayout? other) => other is not null && hash == other.hash
        && parts.AsSpan().SequenceEqual(other.parts);

    /// <inheritdoc/>
    public override bool Equals(object? other) => Equals(other as StepLayout);

    /// <inheritdoc/>
    public override int GetHashCode() => hash;
}
