using PeftNative.Data.Reading;

namespace PeftNative.Data.Encoding;

/// <summary>
/// A record as token ids with what is to be learned from it. Which of the targets is set follows from the task; none is
/// in data to predict on. Immutable by convention: nobody writes into the arrays.
/// </summary>
public sealed record Example
{
    /// <summary>The label of a position that is not trained.</summary>
    public const int Masked = -100;

    /// <summary>Token ids [time].</summary>
    public required int[] Ids { get; init; }

    /// <summary>0 for the first text, 1 for the second [time]; null where the tokenizer has no token types.</summary>
    public byte[]? TokenTypes { get; init; }

    /// <summary>
    /// The token id (causal LM; not shifted, so that position t is predicted from the positions before t) or tag (token
    /// classification) to be learned at each position, or <see cref="Masked"/> [time].
    /// </summary>
    public int[]? Labels { get; init; }

    /// <summary>The class of the record (single-label classification).</summary>
    public int? Class { get; init; }

    /// <summary>The number (regression, 1 entry) or 0 and 1 per label (multi-label classification).</summary>
    public float[]? Targets { get; init; }

    /// <summary>The decoder's targets of an encoder-decoder model, end token included.</summary>
    public int[]? DecoderIds { get; init; }

    /// <summary>Where the record was read.</summary>
    public required RecordOrigin Origin { get; init; }

    /// <summary>Whether something did not fit and was cut off.</summary>
    public bool Truncated { get; init; }

    /// <summary>
    /// Words whose tag has no token, because they were cut off or the tokenizer gives nothing for them.
    /// </summary>
    public int LostTags { get; init; }

    /// <summary>
    /// Trained turns of a conversation that do not go on from the prompt that asks for them (see
    /// <see cref="TrainedTurn.Opening"/>).
    /// </summary>
    public int TurnsOffPrompt { get; init; }

    /// <summary>What the prompt opens before the first of these; null where there is none.</summary>
    public string? PromptOpening { get; init; }

    /// <summary>
    /// Names of fields of a conversation that the chat template does not write, such as <c>reasoning_content</c>.
    /// </summary>
    public IReadOnlyList<string> Unwritten { get; init; } = [];

    /// <summary>Number of tokens.</summary>
    public int Length => Ids.Length;

    /// <summary>
    /// Number of trained positions, of the decoder where it has targets; 0 where there are no labels per token.
    /// </summary>
    public int TrainedTokens => Labels?.Count(label => label != Masked) ?? DecoderIds?.Length ?? 0;
}
