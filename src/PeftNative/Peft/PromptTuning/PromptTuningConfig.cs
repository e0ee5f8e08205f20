using PeftNative.Data;
using PeftNative.Models;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.VirtualTokens;

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
    public override Method Method => PromptTuningMethod.Page;

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
    public override PromptTuningConfig Complete(TransformerModel model) =>
        Initialization == PromptInitialization.Text && !IsStored && InitTokens is not { Count: > 0 }
            ? throw MissingText() : (PromptTuningConfig)base.Complete(model);

    private static UsageException MissingText() =>
        new("prompt_tuning_init TEXT needs prompt_tuning_init_text and a tokenizer.",
        remedy: "Give the text and a tokenizer, or use RANDOM or SAMPLE_VOCAB.");
}
