using PeftNative.Models;
using PeftNative.Models.Weights;
using PeftNative.Ops;

namespace PeftNative.Peft.Lora;

/// <summary>LoRA at the token embedding: row t becomes Table[t] + scale · A[:, t]ᵀ Bᵀ.</summary>
internal sealed class LoraEmbedding(LoraAdapter adapter, double scale, Parameter a, Parameter b) : IEmbeddingAttachment
{
    internal LoraPair Pair => new(a, b, scale * adapter.Weight);

    public void BeforeForward(Pass pass, ref EmbeddingOp op)
    {
        if (op.A.IsPresent) throw new UsageException("Two active adapters target the token embedding; only one can.");
        op = op with { A = a.Value, B = b.Value, LowRankScale = scale * adapter.Weight };
    }

    public void BeforeBackward(Pass pass, ref EmbeddingGradients gradients) => gradients = gradients with { DA = a.Gradient, DB = b.Gradient };

    /// <summary>Table += sign · scale · (B A)ᵀ.</summary>
    /// <param name="model">The model.</param>
    /// <param name="sign">1, or -1 to take it out again.</param>
    /// <param name="withHead">Whether a tied head changes along.</param>
    internal void Merge(TransformerModel model, int sign, bool withHead)
    {
        model.Expand(model.Embedding.Table, keepsTie: withHead);
        LoraMerge.AddTransposed(model.Backend, model.Embedding.Table.Value, a.Value, b.Value, sign * scale * adapter.Weight);
    }
}
