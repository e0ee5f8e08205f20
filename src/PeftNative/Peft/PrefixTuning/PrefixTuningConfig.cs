using System.Text.Json.Nodes;
using PeftNative.Formats;
using PeftNative.Models;

namespace PeftNative.Peft.PrefixTuning;

/// <summary>Prefix tuning's settings under PEFT's names (Li and Liang 2021, arXiv:2101.00190).</summary>
public sealed record PrefixTuningConfig : PromptLearningConfig
{
    /// <inheritdoc/>
    public override string PeftType => "PREFIX_TUNING";

    /// <summary>prefix_projection: train through an MLP instead of the keys and values themselves.</summary>
    public bool UsesProjection { get; init; }

    /// <summary>encoder_hidden_size of that MLP; null for token_dim.</summary>
    public int? EncoderHiddenSize { get; init; }

    /// <summary>init_weights "zero": the prefix starts at zero (else normal); null for PEFT's default.</summary>
    public bool StartsAtZero { get; init; }

    /// <inheritdoc/>
    public override Adapter Create(TransformerModel model, ulong seed, bool trainable, string name)
    {
        if (EncoderHiddenSize is < 1)
            throw new UsageException($"encoder_hidden_size must be at least 1, not {EncoderHiddenSize}.");
        var config = (PrefixTuningConfig)Complete(model) with { TokenDim = model.Config.KvSize,
            HeadCount = model.Config.KvHeadCount };
        return new PrefixTuningAdapter(model, config with { EncoderHiddenSize = EncoderHiddenSize ?? config.TokenDim },
            seed, trainable, name);
    }

    /// <summary>Reads a parsed adapter_config.json.</summary>
    /// <exception cref="ModelFormatException">A key has the wrong type, or asks for something that is not
    /// supported.</exception>
    public static PrefixTuningConfig FromJson(StrictObject json)
    {
        var config = new PrefixTuningConfig
        {
            UsesProjection = json.GetBool("prefix_projection", false),
            EncoderHiddenSize = json.GetOptionalInt("encoder_hidden_size"),
            StartsAtZero = json.GetOptionalString("init_weights") switch
            {
                null => false,
                "zero" => true,
                var other => throw json.Error("init_weights", $"The initialisation '{other}' is not supported.",
                    "Use \"zero\" or null."),
            },
        };
        return (PrefixTuningConfig)config.Read(json, "prefix_projection", "encoder_hidden_size", "init_weights");
    }

    /// <inheritdoc/>
    public override JsonObject ToJson()
    {
        var json = SharedJson();
        json["encoder_hidden_size"] = EncoderHiddenSize;
        json["init_weights"] = StartsAtZero ? "zero" : null;
        json["prefix_projection"] = UsesProjection;
        return json;
    }
}
