using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using PeftNative.Inference;

namespace PeftNative.Extensions.AI;

/// <summary>Turns what a chat client is asked into what the engine takes.</summary>
internal static class ChatConversion
{
    /// <summary>Messages as chat templates take them.</summary>
    public static JsonArray ToJson(IEnumerable<ChatMessage> messages) =>
        [.. messages.Select(m => (JsonNode)new JsonObject
    {
        ["role"] = m.Role.Value, ["content"] = TextOf(m),
    })];

    /// <summary>Options with the library's defaults for what is not said.</summary>
    public static GenerationOptions ToOptions(ChatOptions? options)
    {
        var result = new GenerationOptions();
        if (options is null) return result;
        if (options.Tools is { Count: > 0 }) throw NotThere("tools", "Leave ChatOptions.Tools empty.");
        if (options.ResponseFormat is ChatResponseFormatJson)
            throw NotThere("a response format", "Leave ChatOptions.ResponseFormat empty.");
        return result with
        {
            MaxTokens = options.MaxOutputTokens
                ?? result.MaxTokens, Temperature = options.Temperature ?? result.Temperature,
            TopK = options.TopK ?? result.TopK, TopP = options.TopP
                ?? result.TopP, Stop = [.. options.StopSequences ?? []],
            Seed = options.Seed is { } seed ? unchecked((ulong)seed) : result.Seed,
        };
    }

    private static string TextOf(ChatMessage message) => message.Contents.All(c => c is TextContent) ? message.Text
        : throw NotThere($"content other than text (a message of the {message.Role.Value})", "Send text only.");

    private static UsageException NotThere(string what, string remedy) =>
        new($"A model of this library knows no {what}.", remedy: remedy);
}
