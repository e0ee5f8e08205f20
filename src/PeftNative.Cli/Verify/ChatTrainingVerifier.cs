using System.Text.Json.Nodes;
using PeftNative.Data.Encoding;
using PeftNative.Data.Reading;
using PeftNative.Data.Records;
using PeftNative.Lab.Verification;
using PeftNative.Tokenizers.Chat;

namespace PeftNative.Cli.Verify;

/// <summary>
/// Replays recorded conversations with what is trained of them: <c>chat_template.jinja</c>, <c>context.json</c> and
/// <c>cases.json</c> with the texts, the spans in code points and the turns that do not continue their prompt. Of a
/// span either end is right: with the white space after the end token, or without.
/// </summary>
internal static class ChatTrainingVerifier
{
    /// <summary>Whether a folder is such a recording.</summary>
    public static bool Knows(string folder)
    {
        var cases = Path.Combine(folder, "cases.json");
        return File.Exists(cases) && File.Exists(Path.Combine(folder, "chat_template.jinja"))
            && ChatTemplateVerifier.Read(folder, "cases.json") is JsonArray list
            && list.OfType<JsonObject>().Any(c => c.ContainsKey("examples"));
    }

    /// <summary>Replays a folder.</summary>
    /// <exception cref="ModelFormatException">The recording is broken.</exception>
    public static VerificationResult Verify(string folder)
    {
        var context = (JsonObject)ChatTemplateVerifier.Read(folder, "context.json");
        var template = ChatTemplate.Parse(
            File.ReadAllText(Path.Combine(folder, "chat_template.jinja")),
            context["variables"]?.AsObject().ToDictionary() ?? []);
        var (count, failed, first) = (0, 0, (string?)null);
        foreach (var recorded in ChatTemplateVerifier.Read(folder, "cases.json").AsArray().OfType<JsonObject>())
        {
            count++;
            if (Difference(template, recorded, new RecordOrigin(folder, count)) is not { } difference) continue;
            failed++;
            first ??= $"{recorded["name"]}: {difference}";
        }
        return new VerificationResult(Path.GetFileName(Path.TrimEndingDirectorySeparator(folder)), count,
            failed, first);
    }

    private static string? Difference(ChatTemplate template, JsonObject recorded, RecordOrigin origin)
    {
        var record = new ConversationRecord(recorded["messages"]!.AsArray(), origin)
        {
            TemplateArguments = recorded["kwargs"] as JsonObject,
        };
        var error = recorded["error"]?.GetValue<string>();
        try
        {
            var texts = TrainedText.Of(record, template);
            return error is null ? Difference(texts, recorded["examples"]!.AsArray())
                : $"expected the error '{error}', but it was rendered";
        }
        catch (PeftNativeException e) when (e is DataException or ModelFormatException)
        {
            return error is null ? $"unexpected error '{e.What}'" : null;
        }
    }

    private static string? Difference(IReadOnlyList<TrainedText> texts, JsonArray expected)
    {
        if (texts.Count != expected.Count) return $"expected {expected.Count} examples, got {texts.Count}";
        for (var i = 0; i < texts.Count; i++)
        {
            if (Difference(texts[i], expected[i]!.AsObject()) is { } difference)
                return $"example {i + 1}: {difference}";
        }
        return null;
    }

    private static string? Difference(TrainedText text, JsonObject expected)
    {
        if (ChatTemplateVerifier.TextDifference("text", expected["text"]!.GetValue<string>(), text.Text) is { } other)
            return other;
        var spans = expected["spans"]!.AsArray();
        if (spans.Count != text.Turns.Count) return $"expected {spans.Count} trained turns, got {text.Turns.Count}";
        var places = AssistantMask.ToCodePoints(text.Text, [.. text.Turns.Select(t => (t.Start, t.End))]);
        for (var i = 0; i < spans.Count; i++)
        {
            var (span, turn, (start, end)) = (spans[i]!, text.Turns[i].Message, places[i]);
            int[] ends = [Number(span, "end"), Number(span, "end_trimmed")];
            if (turn != Number(span, "turn") || start != Number(span, "start") || !ends.Contains(end))
                return $"expected turn {span["turn"]} at {span["start"]} to {span["end"]}, got {turn} at {start} to "
                    + $"{end}";
        }
        var off = text.Turns.Where(t => t.Opening is not null).Select(t => t.Message).ToList();
        var expectedOff = expected["answer_does_not_continue_the_prompt"]!.AsArray().Select(n => n!.GetValue<int>());
        return off.SequenceEqual(expectedOff) ? null
            : $"turns that do not continue their prompt: expected {string.Join(", ", expectedOff)}, got "
            + $"{string.Join(", ", off)}";
    }

    private static int Number(JsonNode node, string key) => node[key]!.GetValue<int>();
}
