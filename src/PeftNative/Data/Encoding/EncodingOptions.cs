using System.Text.Json.Nodes;
using PeftNative.Data.Records;

namespace PeftNative.Data.Encoding;

/// <summary>How records become examples.</summary>
public sealed record EncodingOptions
{
    /// <summary>What is learned.</summary>
    public required ModelTask Task { get; init; }

    /// <summary>The most tokens an example may have, special tokens included (<c>max_seq_length</c>).</summary>
    public required int MaxLength { get; init; }

    /// <summary>The labels; needed by the two classification tasks when training.</summary>
    public LabelVocabulary? Labels { get; init; }

    /// <summary>The model's chat template; needed by conversations.</summary>
    public IChatTemplate? ChatTemplate { get; init; }

    /// <summary>
    /// Variables of the chat template for every conversation; those of a record itself come before them. Null for none.
    /// </summary>
    public JsonObject? TemplateArguments { get; init; }

    /// <summary>
    /// Whether of a turn only what <c>{% generation %}</c> marks is trained, where the chat template marks something
    /// (<c>assistant_only_loss</c>).
    /// </summary>
    public bool AssistantOnly { get; init; }

    /// <summary>
    /// Whether prompts (and all turns but the assistant's) are left out of the loss (<c>mask_prompt</c>).
    /// </summary>
    public bool MaskPrompt { get; init; } = true;

    /// <summary>
    /// Whether the model is to learn when to stop: the end token is appended to texts and completions and trained.
    /// </summary>
    public bool AppendEndOfSequence { get; init; } = true;

    /// <summary>
    /// Whether examples are made to predict on: without targets, and without a completion after the prompt.
    /// </summary>
    public bool ForPrediction { get; init; }
}
