namespace PeftNative.Models.Config;

/// <summary>
/// What a layer has of its own, while <see cref="TransformerConfig"/> has what all layers share: where its tokens
/// stand, how far they see, how its scores are scaled. It says everything: nothing in it stands for what another place
/// says. Immutable.
/// </summary>
public sealed record LayerPlan
{
    /// <summary>
    /// Rotary positions; null for none. Layers with equal settings share their tables.
    /// </summary>
    public RopeSettings? Rope { get; init; }

    /// <summary>Width of the sliding window: a token sees as many, with itself; 0 for all.</summary>
    public int Window { get; init; }

    /// <summary>Factor on attention scores.</summary>
    public required double AttentionScale { get; init; }

    /// <summary>As many layers that are all alike.</summary>
    public IReadOnlyList<LayerPlan> Times(int count) => [.. Enumerable.Repeat(this, count)];
}
