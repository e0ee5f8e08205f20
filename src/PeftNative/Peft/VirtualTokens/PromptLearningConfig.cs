using PeftNative.Models;
using PeftNative.Peft.Adapters;

namespace PeftNative.Peft.VirtualTokens;

/// <summary>
/// What the methods share that put trained vectors in front of every sequence (prompt tuning, P-tuning, prefix tuning),
/// under PEFT's names.
/// </summary>
public abstract record PromptLearningConfig : AdapterConfig
{
    /// <summary>num_virtual_tokens.</summary>
    public int VirtualTokenCount { get; init; } = 20;

    /// <summary>token_dim: width of a virtual token, or of one layer's keys; filled in from the model.</summary>
    public int? TokenDim { get; init; }

    /// <summary>num_layers, filled in from the model.</summary>
    public int? LayerCount { get; init; }

    /// <summary>num_attention_heads (for a prefix: of keys and values), filled in from the model.</summary>
    public int? HeadCount { get; init; }

    /// <summary>
    /// num_transformer_submodules: 2 for an encoder with a decoder, else 1; filled in from the model.
    /// </summary>
    public int? SubmoduleCount { get; init; }

    /// <inheritdoc/>
    internal override int LeadingPositions => VirtualTokenCount;

    /// <inheritdoc/>
    public override PromptLearningConfig Complete(TransformerModel model)
    {
        var saved = ModulesToSaveFor(model);
        return this with
        {
            TokenDim = model.Config.HiddenSize,
            LayerCount = (model.Config.Encoder ?? model.Config).LayerCount,
            HeadCount = model.Config.HeadCount,
            SubmoduleCount = model.Config.Encoder is null ? 1 : 2,
            ModulesToSave = saved.Count > 0 ? saved : null,
            TaskType = TaskTypeFor(model),
        };
    }
}
