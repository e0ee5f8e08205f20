using PeftNative.Models;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.VirtualTokens;

namespace PeftNative.Peft.PTuning;

/// <summary>encoder_reparameterization_type.</summary>
public enum PromptEncoderKind
{
    /// <summary>Three dense layers with ReLU between them.</summary>
    Mlp,

    /// <summary>A bidirectional LSTM and two dense layers.</summary>
    Lstm,
}

/// <summary>P-tuning's settings under PEFT's names (Liu et al. 2021, arXiv:2103.10385).</summary>
public sealed record PTuningConfig : PromptLearningConfig
{
    /// <inheritdoc/>
    public override Method Method => PTuningMethod.Page;

    /// <summary>encoder_reparameterization_type.</summary>
    public PromptEncoderKind Encoder { get; init; }

    /// <summary>encoder_hidden_size; null for token_dim.</summary>
    public int? EncoderHiddenSize { get; init; }

    /// <summary>encoder_num_layers: of the LSTM; the MLP always has three, as in PEFT.</summary>
    public int EncoderLayers { get; init; } = 2;

    /// <summary>encoder_dropout: between the LSTM's layers, while training.</summary>
    public double EncoderDropout { get; init; }

    /// <inheritdoc/>
    public override PTuningConfig Complete(TransformerModel model) => (PTuningConfig)base.Complete(model) with
    {
        EncoderHiddenSize = EncoderHiddenSize ?? model.Config.HiddenSize,
    };
}
