using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using PeftNative.Data.Records;

namespace PeftNative.Data.Encoding;

/// <summary>A turn of the assistant that is trained, and where it stands in the text.</summary>
/// <param name="Message">Index of its message in the conversation.</param>
/// <param name="Start">First UTF-16 code unit of what the model is to say.</param>
/// <param name="End">One past the last.</param>
/// <param name="Opening">
/// What the generation prompt opens that the turn does not have, such as <c>&lt;think&gt;</c>; null where the turn goes
/// on from the prompt.
/// </param>
public sealed record TrainedTurn(int Message, int Start, int End, string? Opening)
{
    /// <summary>
    /// Start and end (UTF-16, end exclusive) of what <c>{% generation %}</c> blocks mark of the turn; null where the
    /// template marks nothing.
    /// </summary>
    public IReadOnlyList<(int Start, int End)>? Marked { get; init; }
}

/// <summary>
/// One text of a conversation with the turns that are trained in it. Each turn is trained in the context in which the
/// model will be asked for it: it is what the messages up to it, rendered, have after the messages before it, rendered
/// with the generation prompt. Turns share a text where that of one begins that of a later one, so a template that
/// writes earlier turns differently gives several texts. Immutable.
/// </summary>
/// <param name="Text">The rendered messages up to the last trained turn.</param>
/// <param name="Turns">The turns trained in it, in their order.</param>
public sealed partial record TrainedText(string Text, IReadOnlyList<TrainedTurn> Turns)
{
    /// <summary>
    /// The texts of a conversation; none where it has no turn to train. Turns with <c>train: false</c> or
    /// <c>weight: 0</c> are context only.
    /// </summary>
    /// <param name="record">The conversation.</param>
    /// <param name="template">The model's chat template.</param>
    /// <exception cref="DataException">The template refuses the messages.</exception>
    /// <exception cref="ModelFormatException">The template fails on the messages.</exception>
    public static IReadOnlyList<TrainedText> Of(ConversationRecord record, IChatTemplate template)
    {
        var texts = new List<TrainedText>();
        for (var i = 0; i < record.Messages.Count; i++)
        {
            if (!Conversation.IsTrained(record, i)) continue;
            var (text, turn) = Render(record, template, i);
            var shared = texts.FindLastIndex(t => text.StartsWith(t.Text, StringComparison.Ordinal));
            if (shared < 0) texts.Add(new TrainedText(text, [turn]));
            else texts[shared] = new TrainedText(text, [.. texts[shared].Turns, turn]);
        }
        return texts;
    }

    /// <summary>The messages up to a turn of the assistant as a text, and where the turn is in it.</summary>
    internal static (string Text, TrainedTurn Turn) Render(ConversationRecord record, IChatTemplate template, int turn)
    {
        var arguments = record.TemplateArguments;
        var prompt = template.Render(First(record.Messages, turn), addGenerationPrompt: true, arguments).Text;
        var (text, spans) = template.Render(First(record.Messages, turn + 1), addGenerationPrompt: false, arguments);
        var start = text.AsSpan().CommonPrefixLength(prompt);
        // Where both part inside a marker or a word, the tokens part where that begins.
        if (start < prompt.Length) start = Math.Min(WholeTokens(text, start), WholeTokens(prompt, start));
        return (text, new TrainedTurn(turn, start, text.Length, start < prompt.Length ? prompt[start..] : null)
        {
            Marked = spans.Count == 0 ? null : [.. spans.Where(span => span.End > start)],
        });
    }

    private static int WholeTokens(string text, int at)
    {
        foreach (var token in Tokens().EnumerateMatches(text))
        {
            if (token.Index >= at) break;
            if (token.Index + token.Length > at) return token.Index;
        }
        return at;
    }

    // Markers such as <think>, <|im_end|>, [INST]; words; and characters of two code units.
    [GeneratedRegex(@"<[^<>\n]+>|\[[^\[\]\s]+\]|[\p{L}\p{M}\p{N}_]+|[\uD800-\uDBFF][\uDC00-\uDFFF]")]
    private static partial Regex Tokens();

    /// <summary>The first messages of a conversation.</summary>
    internal static JsonArray First(JsonArray messages, int count) =>
        new([.. messages.Take(count).Select(m => m?.DeepClone())]);
}
