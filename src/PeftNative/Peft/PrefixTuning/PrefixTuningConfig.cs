using PeftNative.Models;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.VirtualTokens;

namespace PeftNative.Peft.PrefixTuning;

/// <summary>Prefix tuning's settings under PEFT's names (Li and Liang 2021, arXiv:2101.00190).</summary>
public sealed record PrefixTuningConfig : PromptLearningConfig
{
    /// <inheritdoc/>
    public override Method Method => PrefixTuningMethod.Page;

    /// <summary>prefix_projection: train through an MLP instead of the keys and values themselves.</summary>
    public bool UsesProjection { get; init; }

    /// <summary>encoder_hidden_size of that MLP; null for token_dim.</summary>
    public int? EncoderHiddenSize { get; init; }

    /// <summary>init_weights "zero": the prefix starts at zero (else normal); null for PEFT's default.</summary>
    public bool StartsAtZero { get; init; }

    /// <inheritdoc/>
    public override PrefixTuningConfig Complete(TransformerModel model) =>
        (PrefixTuningConfig)base.Complete(model) with
        {
            TokenDim = model.Config.KvSize, HeadCount = model.Config.KvHeadCount,
            EncoderHiddenSize = EncoderHiddenSize ?? model.Config.KvSize,
        };
}
