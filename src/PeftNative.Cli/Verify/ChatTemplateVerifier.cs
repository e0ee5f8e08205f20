using System.Text.Json;
using System.Text.Json.Nodes;
using PeftNative.Data;
using PeftNative.Lab.Verification;
using PeftNative.Tokenizers.Chat;

namespace PeftNative.Cli.Verify;

/// <summary>
/// Replays a recorded chat folder (<c>chat_template.jinja</c>, <c>context.json</c>, <c>cases.json</c>): the text or the
/// error, the assistant's spans, and with a tokenizer the ids and the mask.
/// </summary>
internal static class ChatTemplateVerifier
{
    /// <summary>Replays a folder.</summary>
    /// <param name="folder">The recorded folder.</param>
    /// <param name="tokenizers">
    /// Gives the tokenizer of a name in <c>context.json</c>, or null where there is none; without it ids and masks are
    /// not compared.
    /// </param>
    /// <exception cref="ModelFormatException">The recording is broken.</exception>
    public static VerificationResult Verify(string folder, Func<string, ITokenizer?>? tokenizers = null)
    {
        var context = (JsonObject)Read(folder, "context.json");
        var template = ChatTemplate.Parse(
            File.ReadAllText(Path.Combine(folder, "chat_template.jinja")),
            context["variables"]?.AsObject().ToDictionary() ?? []);
        var tokenizer = tokenizers?.Invoke(context["tokenizer"]!.GetValue<string>());
        var (count, failed, first) = (0, 0, (string?)null);
        foreach (var node in Read(folder, "cases.json").AsArray())
        {
            count++;
            var recorded = node!.AsObject();
            if (Difference(template, recorded, tokenizer) is not { } difference) continue;
            failed++;
            first ??= $"{recorded["name"]}: {difference}";
        }

        return new VerificationResult(Path.GetFileName(Path.TrimEndingDirectorySeparator(folder)), count,
            failed, first);
    }

    internal static JsonNode Read(string folder, string file)
    {
        var path = Path.Combine(folder, file);
        try
        {
            return JsonNode.Parse(File.ReadAllText(path))
                ?? throw new ModelFormatException("The file holds null.", path);
        }
        catch (JsonException e)
        {
            throw new ModelFormatException("The file is not valid JSON.", path, null, e);
        }
    }

    private static string? Difference(ChatTemplate template, JsonObject recorded, ITokenizer? tokenizer)
    {
        RenderedChat chat;
        try
        {
            chat = template.Render(
                recorded["messages"]!.AsArray(), recorded["add_generation_prompt"]!.GetValue<bool>(),
                recorded["kwargs"] as JsonObject);
        }
        catch (PeftNativeException e)
        {
            return TextDifference("error", recorded["error"]?.GetValue<string>(), e.What);
        }

        if (recorded["rendered"] is not { } rendered)
            return $"expected the error '{recorded["error"]}', but it was rendered";
        return TextDifference("text", rendered.GetValue<string>(), chat.Text)
            ?? SpanDifference(chat, recorded)
            ?? (tokenizer is null ? null : TokenDifference(chat, recorded, tokenizer));
    }

    internal static string? TextDifference(string what, string? expected, string actual)
    {
        if (expected == actual) return null;
        if (expected is null) return $"expected no {what}, but got '{actual}'";
        var at = expected.AsSpan().CommonPrefixLength(actual);
        return $"{what} differs at {at}: expected '{Around(expected, at)}', got '{Around(actual, at)}'";
    }

    private static string Around(string text, int at) => text[Math.Max(0, at - 20)..Math.Min(text.Length, at + 40)];

    private static string? SpanDifference(RenderedChat chat, JsonObject recorded) =>
        NumbersDiffer("UTF-16 spans", Pairs(recorded["assistant_spans_utf16"]), Flat(chat.AssistantSpans))
        ?? NumbersDiffer(
            "code point spans", Pairs(recorded["assistant_spans_codepoints"]),
            Flat(AssistantMask.ToCodePoints(chat.Text, chat.AssistantSpans)));

    private static string? TokenDifference(RenderedChat chat, JsonObject recorded, ITokenizer tokenizer)
    {
        var tokens = tokenizer.Encode(chat.Text, addSpecialTokens: false);
        if (NumbersDiffer("ids", Numbers(recorded["ids"]), tokens.Ids) is { } difference) return difference;
        var mask = AssistantMask.OfTokens(chat.AssistantSpans, tokens.Starts, tokens.Ends);
        return NumbersDiffer("assistant mask", Numbers(recorded["assistant_mask"]), [.. mask.Select(m => m ? 1 : 0)]);
    }

    /// <summary>Compares lists; what was not recorded is not compared.</summary>
    private static string? NumbersDiffer(string what, int[]? expected, int[] actual)
    {
        if (expected is null || expected.AsSpan().SequenceEqual(actual)) return null;
        var at = expected.AsSpan().CommonPrefixLength(actual);
        return $"{what} differ at {at} of {expected.Length}: expected {At(expected, at)}, got {At(actual, at)}";
    }

    private static string At(int[] numbers, int at) => at < numbers.Length ? numbers[at].ToString() : "the end";

    private static int[]? Numbers(JsonNode? node) =>
        node is JsonArray list ? [.. list.Select(n => n!.GetValue<int>())] : null;

    private static int[]? Pairs(JsonNode? node) =>
        node is JsonArray list ? [.. list.SelectMany(p => Numbers(p)!)] : null;

    private static int[] Flat(IReadOnlyList<(int Start, int End)> spans) =>
        [.. spans.SelectMany(s => new[] { s.Start, s.End })];
}
