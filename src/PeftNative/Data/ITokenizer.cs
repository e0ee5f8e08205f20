using System.Text.Json.Nodes;

namespace PeftNative.Data;

/// <summary>
/// Text to token ids and back. The core knows only this seam; PeftNative.Tokenizers reads Hugging Face tokenizer files
/// behind it. Implementations are immutable and safe to use from several threads at once.
/// </summary>
public interface ITokenizer
{
    /// <summary>One more than the largest id the tokenizer can produce, added tokens included.</summary>
    int VocabularySize { get; }

    /// <summary>The id put in front of a text by convention, or null where the family has none.</summary>
    int? BeginOfSequenceId { get; }

    /// <summary>The id that ends a text, or null where the family has none.</summary>
    int? EndOfSequenceId { get; }

    /// <summary>The id used for padding, or null where none is declared.</summary>
    int? PaddingId { get; }

    /// <summary>
    /// Whether the template of this tokenizer gives token type ids (BERT: 0 for the first text, 1 for the second).
    /// </summary>
    bool HasTokenTypes { get; }

    /// <summary>Encodes a text, or a pair of texts with the tokenizer's own template around them.</summary>
    /// <param name="text">The text.</param>
    /// <param name="pair">The second text of a pair, or null.</param>
    /// <param name="addSpecialTokens">Whether the template's special tokens (begin, end, separators) are added.</param>
    /// <param name="maxLength">
    /// The largest number of ids to return, special tokens included; longer input is shortened at the right end, of a
    /// pair the longer text first. Null: no limit.
    /// </param>
    TokenSequence Encode(string text, string? pair = null, bool addSpecialTokens = true, int? maxLength = null);

    /// <summary>Turns ids back into text.</summary>
    string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens = true);

    /// <summary>A decoder that takes ids one by one.</summary>
    ITokenStream CreateStream(bool skipSpecialTokens = true);

    /// <summary>The id of a token as it is spelled in the vocabulary, or null.</summary>
    int? IdOf(string token);
}

/// <summary>
/// Decodes ids one by one. All pieces together are the text of all ids, and no piece ends in the middle of a character.
/// Not safe for use from several threads at once.
/// </summary>
public interface ITokenStream
{
    /// <summary>Takes one id; returns the text that has become certain, often empty.</summary>
    string Push(int id);

    /// <summary>Ends the stream; returns what had been held back, such as the remains of a broken character.</summary>
    string Close();
}

/// <summary>What <see cref="ITokenizer.Encode"/> returns: the parallel arrays have one entry per token.</summary>
/// <param name="Ids">Token ids.</param>
/// <param name="TokenTypes">0 or 1 per token; null where the tokenizer's family has no token types.</param>
/// <param name="Starts">First UTF-16 code unit of each token in the text it came from; 0 for added special
/// tokens.</param>
/// <param name="Ends">One past the last code unit; 0 for added special tokens.</param>
/// <param name="Sources">0: from the first text, 1: from the second, -1: a special token the template added.</param>
/// <param name="Truncated">Whether something was cut off.</param>
public sealed record TokenSequence(int[] Ids, byte[]? TokenTypes, int[] Starts, int[] Ends, sbyte[] Sources,
    bool Truncated);

/// <summary>
/// Renders a conversation into text with a model's own chat template. Immutable and safe to use from several threads at
/// once.
/// </summary>
public interface IChatTemplate
{
    /// <summary>Renders messages; spans tell which characters of the result are the assistant's turns.</summary>
    /// <param name="messages">A JSON array of messages, each an object with at least <c>role</c> and
    /// <c>content</c>.</param>
    /// <param name="addGenerationPrompt">Whether to end with the opening of an assistant's turn.</param>
    /// <param name="arguments">Further variables for the template, such as <c>tools</c> or <c>enable_thinking</c>; null
    /// for none.</param>
    /// <exception cref="DataException">The template refuses the messages.</exception>
    /// <exception cref="ModelFormatException">The template fails on the messages.</exception>
    RenderedChat Render(JsonArray messages, bool addGenerationPrompt = false, JsonObject? arguments = null);
}

/// <summary>A rendered conversation.</summary>
/// <param name="Text">The text, ready to be encoded without adding special tokens.</param>
/// <param name="AssistantSpans">Start and end (UTF-16, end exclusive) of each <c>{% generation %}</c> block; empty
/// where the template has none.</param>
public sealed record RenderedChat(string Text, IReadOnlyList<(int Start, int End)> AssistantSpans);

/// <summary>What follows from the members of a tokenizer.</summary>
internal static class TokenizerExtensions
{
    /// <summary>Whether a token is a special one: it is left out of the text where these are skipped.</summary>
    public static bool IsSpecial(this ITokenizer tokenizer, int id) =>
        tokenizer.Decode([id], skipSpecialTokens: false).Length > 0 && tokenizer.Decode([id]).Length == 0;
}
