using System.Text.Json.Nodes;
using PeftNative.Data;
using PeftNative.Formats;
using PeftNative.Models;

namespace PeftNative.Peft.PromptTuning;

/// <summary>prompt_tuning_init.</summary>
public enum PromptInitialization
{
    /// <summary>Normal numbers.</summary>
    Random,

    /// <summary>Embeddings of random tokens.</summary>
    SampleVocab,

    /// <summary>Embeddings of a text's tokens.</summary>
    Text,
}

/// <summary>Prompt tuning's settings under PEFT's names (Lester et al. 2021, arXiv:2104.08691).</summary>
public sealed record PromptTuningConfig : PromptLearningConfig
{
    /// <inheritdoc/>
    public override string PeftType => "PROMPT_TUNING";

    /// <summary>prompt_tuning_init.</summary>
    public PromptInitialization Initialization { get; init; }

    /// <summary>prompt_tuning_init_text, for <see cref="PromptInitialization.Text"/>.</summary>
    public string? InitText { get; init; }

    /// <summary>tokenizer_name_or_path: which tokenizer the text was cut with; for people and other tools.</summary>
    public string? Tokenizer { get; init; }

    /// <summary>The text's token ids; not stored. See <see cref="WithTokenizer"/>.</summary>
    public IReadOnlyList<int>? InitTokens { get; init; }

    /// <summary>
    /// The settings with the tokens of <see cref="InitText"/>, special ones included, as the tokenizer adds them.
    /// </summary>
    public override PromptTuningConfig WithTokenizer(ITokenizer tokenizer) =>
        Initialization != PromptInitialization.Text ? this
        : this with { InitTokens = tokenizer.Encode(InitText ?? throw MissingText()).Ids };

    /// <inheritdoc/>
    public override Adapter Create(TransformerModel model, ulong seed, bool trainable, string name)
    {
        if (Initialization == PromptInitialization.Text && !IsStored && InitTokens is not { Count: > 0 })
            throw MissingText();
        return new PromptTuningAdapter(model, (PromptTuningConfig)Complete(model), seed, trainable, name);
    }

    /// <summary>Reads a parsed adapter_config.json.</summary>
    /// <exception cref="ModelFormatException">A key has the wrong type, or asks for something that is not
    /// supported.</exception>
    public static PromptTuningConfig FromJson(StrictObject json)
    {
        var config = new PromptTuningConfig
        {
            Initialization = json.GetString("prompt_tuning_init", "RANDOM") switch
            {
                "RANDOM" => PromptInitialization.Random,
                "SAMPLE_VOCAB" => PromptInitialization.SampleVocab,
                "TEXT" => PromptInitialization.Text,
                var other => throw json.Error("prompt_tuning_init", $"'{other}' is not a value of prompt_tuning_init.",
                    "Use RANDOM, SAMPLE_VOCAB or TEXT."),
            },
            InitText = json.GetOptionalString("prompt_tuning_init_text"),
            Tokenizer = json.GetOptionalString("tokenizer_name_or_path"),
        };
        return (PromptTuningConfig)config.Read(json,
            "prompt_tuning_init", "prompt_tuning_init_text", "tokenizer_name_or_path", "tokenizer_kwargs");
    }

    /// <inheritdoc/>
    public override JsonObject ToJson()
    {
        var json = SharedJson();
        json["prompt_tuning_init"] = Initialization switch
        {
            PromptInitialization.SampleVocab => "SAMPLE_VOCAB",
            PromptInitialization.Text => "TEXT",
            _ => "RANDOM",
        };
        json["prompt_tuning_init_text"] = InitText;
        json["tokenizer_kwargs"] = null;
        json["tokenizer_name_or_path"] = Tokenizer;
        return json;
    }

    private static UsageException MissingText() =>
        new("prompt_tuning_init TEXT needs prompt_tuning_init_text and a tokenizer.",
        remedy: "Give the text and a tokenizer, or use RANDOM or SAMPLE_VOCAB.");
}
