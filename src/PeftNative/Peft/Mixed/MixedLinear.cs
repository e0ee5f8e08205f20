using PeftNative.Models.Layers;
using PeftNative.Peft.Adapters;

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
        var left = state.Of<Left>(this).Runs;
        left.Clear();
        foreach (var run in mixed.Runs(pass, Picked(pass)))
        {
            var (adapter, first, count) = run;
            if (!IsAt(adapter, site)) continue;
            if (Replaces(adapter, site) || !adapter.AtLinear(site.Index)!.TryAddRows(pass, state, first, count))
                left.Add(run);
        }
    }

    // The rows' own record overwrites what the shared one has left in them.
    public void AfterForward(Pass pass, LinearState state)
    {
        var op = state.Op;
        foreach (var (adapter, first, count) in state.Of<Left>(this).Runs)
        {
            site.Forward(pass.Under(adapter), own, op.X.RowRange(first, count), op.Y.RowRange(first, count),
                op.Residual.IsPresent ? op.Residual.RowRange(first, count) : default);
        }
    }

    private static bool Replaces(Adapter adapter, LinearSite site) =>
        adapter.Replacement(site.Weight.Index) is not null
        || (site.Bias is { } bias && adapter.Replacement(bias.Index) is not null);

    private ReadOnlySpan<int> Picked(Pass pass) => isAboveLayers ? pass.Rows.Picked.Span : [];

    // The runs of rows that have to be computed again.
    private sealed class Left
    {
        internal List<(Adapter Adapter, int First, int Count)> Runs { get; } = [];
    }
}
