using System.Text.Json.Nodes;
using PeftNative.Formats;
using PeftNative.Models;

namespace PeftNative.Peft;

/// <summary>
/// What the methods share that put trained vectors in front of every sequence (prompt tuning, P-tuning, prefix tuning),
/// under PEFT's names.
/// </summary>
public abstract record PromptLearningConfig : AdapterConfig
{
    /// <summary>Keys that all of these methods read.</summary>
    private protected static readonly string[] SharedKeys =
        ["num_virtual_tokens", "token_dim", "num_layers", "num_attention_heads", "num_transformer_submodules"];

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

    /// <summary>Fills in what depends on the model.</summary>
    protected PromptLearningConfig Complete(TransformerModel model)
    {
        if (VirtualTokenCount is < 1 or > 65536)
            throw new UsageException($"num_virtual_tokens must be between 1 and 65536, not {VirtualTokenCount}.");
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

    /// <summary>Takes the shared keys of a file.</summary>
    private protected PromptLearningConfig Read(StrictObject json, params string[] ownKeys)
    {
        return this with
        {
            IgnoredKeys = UnknownKeys(json, [.. SharedKeys, .. ownKeys]),
            BaseModel = json.GetOptionalString("base_model_name_or_path"),
            Revision = json.GetOptionalString("revision"),
            TaskType = json.GetOptionalString("task_type"),
            ModulesToSave = ReadModulesToSave(json),
            VirtualTokenCount = json.GetInt("num_virtual_tokens"),
        };
    }

    /// <summary>The keys all of these methods write.</summary>
    protected JsonObject SharedJson()
    {
        var json = CommonJson();
        json["modules_to_save"] = ListJson(ModulesToSave);
        json["num_attention_heads"] = HeadCount;
        json["num_layers"] = LayerCount;
        json["num_transformer_submodules"] = SubmoduleCount;
        json["num_virtual_tokens"] = VirtualTokenCount;
        json["token_dim"] = TokenDim;
        return json;
    }
}
