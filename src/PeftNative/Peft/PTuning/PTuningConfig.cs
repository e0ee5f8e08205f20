using System.Text.Json.Nodes;
using PeftNative.Formats;
using PeftNative.Models;

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
    public override string PeftType => "P_TUNING";

    /// <summary>encoder_reparameterization_type.</summary>
    public PromptEncoderKind Encoder { get; init; }

    /// <summary>encoder_hidden_size; null for token_dim.</summary>
    public int? EncoderHiddenSize { get; init; }

    /// <summary>encoder_num_layers: of the LSTM; the MLP always has three, as in PEFT.</summary>
    public int EncoderLayers { get; init; } = 2;

    /// <summary>encoder_dropout: between the LSTM's layers, while training.</summary>
    public double EncoderDropout { get; init; }

    /// <inheritdoc/>
    public override Adapter Create(TransformerModel model, ulong seed, bool trainable, string name)
    {
        if (EncoderLayers < 1) throw new UsageException($"encoder_num_layers must be at least 1, not {EncoderLayers}.");
        if (EncoderHiddenSize is < 1)
            throw new UsageException($"encoder_hidden_size must be at least 1, not {EncoderHiddenSize}.");
        if (!(EncoderDropout is >= 0 and < 1))
            throw new UsageException($"encoder_dropout must be at least 0 and less than 1, not {EncoderDropout}.");
        var config = (PTuningConfig)Complete(model);
        return new PTuningAdapter(model, config with { EncoderHiddenSize = EncoderHiddenSize ?? config.TokenDim }, seed,
            trainable, name);
    }

    /// <summary>Reads a parsed adapter_config.json.</summary>
    /// <exception cref="ModelFormatException">A key has the wrong type, or asks for something that is not
    /// supported.</exception>
    public static PTuningConfig FromJson(StrictObject json)
    {
        var config = new PTuningConfig
        {
            Encoder = json.GetString("encoder_reparameterization_type", "MLP") switch
            {
                "MLP" => PromptEncoderKind.Mlp,
                "LSTM" => PromptEncoderKind.Lstm,
                var other => throw json.Error("encoder_reparameterization_type", $"'{other}' is not a kind of encoder.",
                    "Use MLP or LSTM."),
            },
            EncoderHiddenSize = json.GetOptionalInt("encoder_hidden_size"),
            EncoderLayers = json.GetInt("encoder_num_layers", 2),
            EncoderDropout = json.GetDouble("encoder_dropout", 0),
        };
        return (PTuningConfig)config.Read(json,
            "encoder_reparameterization_type", "encoder_hidden_size", "encoder_num_layers", "encoder_dropout");
    }

    /// <inheritdoc/>
    public override JsonObject ToJson()
    {
        var json = SharedJson();
        json["encoder_dropout"] = EncoderDropout;
        json["encoder_hidden_size"] = EncoderHiddenSize;
        json["encoder_num_layers"] = EncoderLayers;
        json["encoder_reparameterization_type"] = Encoder == PromptEncoderKind.Mlp ? "MLP" : "LSTM";
        return json;
    }
}
