using PeftNative.Models.Layers;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Peft.Tokens;

/// <summary>
/// Trained tokens at the head: a low-rank pair that turns the scores of the base's rows into those of the trained ones,
/// y += S (x (rows - base rows)ᵀ)ᵀ with S [V, tokens] picking their columns.
/// </summary>
internal sealed class TokenHead : ILinearAttachment
{
    private readonly LinearSite site;
    private readonly TokenRows rows;
    private readonly Tensor selection;

    internal TokenHead(LinearSite site, TokenRows rows) =>
        (this.site, this.rows, selection) = (site, rows, rows.NewSelection());

    public void BeforeForward(Pass pass, LinearState state)
    {
        foreach (var attachment in pass.Adapters.AtLinear(site.Index))
            if (attachment is TokenHead other && other != this) Check(rows, other.rows);
        var difference = pass.Memory.NewStatistic(rows.Rows.Rows, rows.Rows.Columns);
        pass.Backend.Copy(rows.Rows.Value, difference);
        pass.Backend.AddScaled(rows.Base.Of(pass.Adapters.Resolve(site.Weight)), -1, difference);
        var count = state.Op.X.Rows;
        state.Add(new LowRankPair
        {
            A = difference, B = selection, Scale = 1, RowCount = count, GradA = rows.Rows.Gradient,
            S = pass.Memory.NewStatistic(count, rows.Ids.Count),
        });
    }

    internal static void Check(TokenRows a, TokenRows b)
    {
        if (a.Meets(b))
            throw new UsageException("Two active adapters train rows of the same token; only one can.",
                remedy: "Merge one of them into the base first.");
    }
}
