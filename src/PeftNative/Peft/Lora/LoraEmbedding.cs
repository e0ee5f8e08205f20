using PeftNative.Models;
using PeftNative.Models.Layers;
using PeftNative.Models.Weights;
using PeftNative.Ops;

namespace PeftNative.Peft.Lora;

/// <summary>
/// LoRA at the token embedding: row t becomes Table[t] + scale · A[:, t]ᵀ Bᵀ; with DoRA times magnitudes by columns.
/// </summary>
internal sealed class LoraEmbedding(LoraAdapter adapter, double scale, Parameter a, Parameter b, DoraEmbedding? dora)
    : IEmbeddingAttachment, IDisposable
{
    internal LoraPair Pair => new(a, b, scale * adapter.Scale);

    internal DoraEmbedding? Dora => dora;

    public void BeforeForward(Pass pass, ref EmbeddingOp op)
    {
        if (op.A.IsPresent) throw new UsageException("Two active adapters target the token embedding; only one can.");
        op = op with { A = a.Value, B = b.Value, LowRankScale = scale * adapter.Scale };
        dora?.BeforeForward(pass, Pair);
    }

    public void AfterForward(Pass pass, in EmbeddingOp op)
    {
        if (dora is not null) DoraEmbedding.AfterForward(pass, op);
    }

    public void BeforeBackward(Pass pass, ref EmbeddingGradients gradients) =>
        gradients = gradients with { DA = a.Gradient, DB = b.Gradient };

    public void AfterBackward(Pass pass, in EmbeddingOp op, in EmbeddingGradients outer, in EmbeddingGradients inner) =>
        dora?.AfterBackward(pass, op, inner, Pair);

    /// <summary>Table += scale · (B A)ᵀ, with DoRA times its quotients.</summary>
    /// <param name="model">The model.</param>
    /// <param name="withHead">Whether a tied head changes along.</param>
    internal void Merge(TransformerModel model, bool withHead)
    {
        model.Expand(model.Embedding.Table, keepsTie: withHead);
        dora?.BeforeMerge(Pair);
        Add(model, +1);
        dora?.ScaleMerged(isBack: false);
    }

    /// <summary>Takes it out again.</summary>
    /// <param name="model">The model.</param>
    /// <param name="withHead">Whether a tied head changes along.</param>
    internal void Unmerge(TransformerModel model, bool withHead)
    {
        model.Expand(model.Embedding.Table, keepsTie: withHead);
        dora?.ScaleMerged(isBack: true);
        Add(model, -1);
    }

    public void Dispose() => dora?.Dispose();

    private void Add(TransformerModel model, int sign) => LoraMerge.AddTransposed(
        model.Backend, model.Embedding.Table.Value, a.Value, b.Value, sign * scale * adapter.Scale);
}
