using PeftNative.Models;
using PeftNative.Peft.Lora;

namespace PeftNative.Peft.Mixed;

/// <summary>A linear layer in a mixed batch.</summary>
/// <param name="mixed">The batch.</param>
/// <param name="site">The layer.</param>
/// <param name="isAboveLayers">Whether it belongs to the head, which sees only some rows of the stream.</param>
internal sealed class MixedLinear(MixedAdapters mixed, LinearSite site, bool isAboveLayers) : ILinearAttachment
{
    private readonly LinearState own = new(); // of the rows that run again, one adapter after the other

    /// <summary>Whether an adapter does anything at a layer.</summary>
    internal static bool IsAt(Adapter adapter, LinearSite site) => adapter.AtLinear(site.Index) is not null
        || Replaces(adapter, site);

    public void BeforeForward(Pass pass, LinearState state)
    {
        foreach (var (adapter, first, count) in mixed.Runs(pass, Picked(pass)))
            if (Pair(adapter) is { } lora) lora.AddPair(pass, state, first, count);
    }

    // The rows' own record overwrites what the shared one has left in them.
    public void AfterForward(Pass pass, LinearState state)
    {
        var op = state.Op;
        foreach (var (adapter, first, count) in mixed.Runs(pass, Picked(pass)))
        {
            if (Pair(adapter) is not null || !IsAt(adapter, site)) continue;
            site.Forward(pass.Under(adapter), own, op.X.RowRange(first, count), op.Y.RowRange(first, count),
                op.Residual.IsPresent ? op.Residual.RowRange(first, count) : default);
        }
    }

    private LoraLinear? Pair(Adapter adapter) =>
        adapter.AtLinear(site.Index) is LoraLinear { Magnitude: null, Bias: null } lora && !Replaces(adapter, site)
            ? lora : null;

    private static bool Replaces(Adapter adapter, LinearSite site) =>
        adapter.Replacement(site.Weight.Index) is not null
        || (site.Bias is { } bias && adapter.Replacement(bias.Index) is not null);

    private ReadOnlySpan<int> Picked(Pass pass) => isAboveLayers ? pass.Rows.Picked.Span : [];
}
