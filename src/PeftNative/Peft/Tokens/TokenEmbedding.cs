using PeftNative.Models.Layers;
using PeftNative.Ops;

namespace PeftNative.Peft.Tokens;

/// <summary>Trained tokens at the embedding: rows behind the virtual tokens, which stand for them.</summary>
internal sealed class TokenEmbedding(TokenRows rows) : IEmbeddingAttachment
{
    private readonly TokenRows rows = rows;

    public int OwnRows => rows.Ids.Count;

    public int OwnRow(int token) => rows.PlaceOf(token);

    public void BeforeForward(Pass pass, ref EmbeddingOp op)
    {
        CheckOthers(pass);
        var first = op.Virtual.Rows;
        var all = pass.Memory.NewStatistic(first + OwnRows, op.Y.Columns);
        if (first > 0) pass.Backend.Copy(op.Virtual, all.RowRange(0, first));
        var own = all.RowRange(first, OwnRows);
        pass.Backend.Fill(own, 0);
        pass.Backend.AddScaled(rows.Rows.Value, op.TokenScale, own); // virtual rows have no scale
        op = op with { Virtual = all };
    }

    public void BeforeBackward(Pass pass, ref EmbeddingGradients gradients)
    {
        if (!rows.Rows.Gradient.IsPresent && !gradients.DVirtual.IsPresent) return;
        var all = pass.Memory.NewStatistic(pass.EmbeddingState.Op.Virtual.Rows, rows.Rows.Columns);
        pass.Backend.Fill(all, 0);
        gradients = gradients with { DVirtual = all };
    }

    public void AfterBackward(Pass pass, in EmbeddingOp op, in EmbeddingGradients outer, in EmbeddingGradients inner)
    {
        if (!inner.DVirtual.IsPresent) return;
        var first = FirstRow(pass);
        if (outer.DVirtual.IsPresent)
            pass.Backend.AddScaled(inner.DVirtual.RowRange(0, outer.DVirtual.Rows), 1, outer.DVirtual);
        if (rows.Rows.Gradient.IsPresent)
            pass.Backend.AddScaled(inner.DVirtual.RowRange(first, OwnRows), op.TokenScale, rows.Rows.Gradient);
    }

    private int FirstRow(Pass pass)
    {
        var first = pass.Rows.Stream.VirtualTokens?.Count ?? 0;
        foreach (var attachment in pass.Adapters.AtEmbedding)
            if (attachment == this) break;
            else first += attachment.OwnRows;
        return first;
    }

    private void CheckOthers(Pass pass)
    {
        foreach (var attachment in pass.Adapters.AtEmbedding)
            if (attachment is TokenEmbedding other && other != this) TokenHead.Check(rows, other.rows);
    }
}
