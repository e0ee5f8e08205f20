using System.Text.Json.Nodes;
using PeftNative.Data.Records;

namespace PeftNative.Data.Encoding;

/// <summary>
/// Brings messages into the form that a chat template reads, where templates differ: content as a text or as a list of
/// parts, arguments of a call as an object or as its JSON. What a template reads is found by rendering probes once;
/// what it reads already stays as it is. Immutable; safe to use from several threads if the template is.
/// </summary>
internal sealed class TemplateFit
{
    private const string Probe = "peft probe", Key = "peft_key", Value = "peft_value";

    private readonly IChatTemplate _template;
    private readonly Lazy<bool> _wantsParts, _takesObjects, _takesTexts;

    /// <summary>Takes a template; nothing is rendered yet.</summary>
    public TemplateFit(IChatTemplate template)
    {
        _template = template;
        _wantsParts = new(() => !Shows(Content(Probe)) && Shows(Content(Parts(Probe))));
        var (map, text) = (new JsonObject { [Key] = Value }, $$"""{"{{Key}}": "{{Value}}"}""");
        _takesObjects = new(() => Rendered(Call(map)) is { } shown
            && shown.Contains(Value, StringComparison.Ordinal)
            && !shown.Contains($"'{Key}'", StringComparison.Ordinal)); // Python's repr of a dictionary
        _takesTexts = new(() => Rendered(Call(text)) is { } shown && shown.Contains(text, StringComparison.Ordinal));
    }

    /// <summary>The messages as the template reads them.</summary>
    public JsonArray Apply(JsonArray messages) => [.. messages.Select(m => Apply((JsonObject)m!.DeepClone()))];

    /// <summary>
    /// The same for a template that cannot do without what is usual: a content in every message, and tools of a kind;
    /// null where the record lacks neither.
    /// </summary>
    public static ConversationRecord? Completed(ConversationRecord record)
    {
        var (messages, arguments) = ((JsonArray)record.Messages.DeepClone(), record.TemplateArguments);
        foreach (var message in messages.OfType<JsonObject>().Where(m => m["content"] is null)) message["content"] = "";
        if (arguments?[ShapeFields.Tools] is JsonArray tools)
        {
            arguments = (JsonObject)arguments.DeepClone();
            arguments[ShapeFields.Tools] = ToolCalls.Tools(tools);
        }
        return JsonNode.DeepEquals(messages, record.Messages)
            && JsonNode.DeepEquals(arguments, record.TemplateArguments)
            ? null : record with { Messages = messages, TemplateArguments = arguments };
    }

    private JsonObject Apply(JsonObject message)
    {
        if (message["content"].AsText() is { } text && _wantsParts.Value) message["content"] = Parts(text);
        foreach (var call in (message["tool_calls"] as JsonArray ?? []).OfType<JsonObject>())
        {
            var function = call["function"] as JsonObject ?? call;
            if (function["arguments"] is not { } arguments) continue;
            if (arguments.AsText() is not null)
            {
                if (!_takesTexts.Value && _takesObjects.Value && RecordJson.Parse(arguments) is JsonObject read)
                    function["arguments"] = read;
            }
            else if (!_takesObjects.Value && _takesTexts.Value) function["arguments"] = RecordJson.Write(arguments);
        }
        return message;
    }

    private bool Shows(JsonArray messages) =>
        Rendered(messages)?.Contains(Probe, StringComparison.Ordinal) == true;

    private string? Rendered(JsonArray messages)
    {
        try
        {
            return _template.Render(messages, addGenerationPrompt: false).Text;
        }
        catch (PeftNativeException e) when (e is DataException or ModelFormatException)
        {
            return null;
        }
    }

    private static JsonArray Parts(string text) => [new JsonObject { ["type"] = "text", ["text"] = text }];

    private static JsonArray Content(JsonNode content) =>
        [new JsonObject { ["role"] = "user", ["content"] = content }];

    private JsonArray Call(JsonNode arguments) =>
    [
        new JsonObject { ["role"] = "user", ["content"] = _wantsParts.Value ? Parts(Probe) : Probe },
        new JsonObject
        {
            ["role"] = "assistant", ["content"] = _wantsParts.Value ? Parts("") : "",
            ["tool_calls"] = new JsonArray(new JsonObject
            {
                ["id"] = "call00001", ["type"] = "function",
                ["function"] = new JsonObject { ["name"] = "probe", ["arguments"] = arguments },
            }),
        },
    ];
}
