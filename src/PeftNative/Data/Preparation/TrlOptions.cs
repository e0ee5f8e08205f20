using PeftNative.Data.Batching;

namespace PeftNative.Data.Preparation;

/// <summary>
/// The settings of TRL's SFTTrainer that decide what rows become, with its defaults. See
/// <see href="https://huggingface.co/docs/trl/sft_trainer"/>.
/// </summary>
public sealed record TrlOptions
{
    /// <summary>The most tokens of a row; null for no limit (<c>max_length</c>).</summary>
    public int? MaxLength { get; init; } = 1024;

    /// <summary>Whether of a longer row the end is kept (<c>truncation_mode="keep_end"</c>).</summary>
    public bool KeepEnd { get; init; }

    /// <summary>
    /// Whether only completions are learned; null: where the first row has prompt and completion
    /// (<c>completion_only_loss</c>).
    /// </summary>
    public bool? CompletionOnly { get; init; }

    /// <summary>Whether only what <c>{% generation %}</c> marks is learned (<c>assistant_only_loss</c>).</summary>
    public bool AssistantOnly { get; init; }

    /// <summary>The column of plain texts (<c>dataset_text_field</c>).</summary>
    public string TextField { get; init; } = "text";

    /// <summary>The token that ends texts; null for the tokenizer's own (<c>eos_token</c>).</summary>
    public string? EndToken { get; init; }

    /// <summary>How rows are packed; null for not at all (<c>packing_strategy</c>).</summary>
    public PackingStrategy? Packing { get; init; }

    /// <summary>Whether a batch is one row without padding (<c>padding_free</c>).</summary>
    public bool PaddingFree { get; init; }
}
