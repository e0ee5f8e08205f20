using System.Text.Json;
using System.Text.Json.Nodes;
using PeftNative.Formats.Gguf;
using PeftNative.Tokenizers.Files.Gguf;

namespace PeftNative.Tokenizers.Chat;

/// <summary>The template texts and special tokens found in a model folder.</summary>
/// <param name="Default">The template to use.</param>
/// <param name="ToolUse">The template to use where tools are passed, if the folder has one of its own for that.</param>
/// <param name="Variables">The special tokens by the names templates use.</param>
/// <param name="Path">The file the template is from.</param>
internal sealed record ChatTemplateFiles(
    string Default, string? ToolUse, Dictionary<string, JsonNode?> Variables, string Path)
{
    private static readonly string[] TokenNames =
        ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

    /// <summary>Reads a folder, or a GGUF file; null where it has no chat template.</summary>
    public static ChatTemplateFiles? Read(string folder)
    {
        if (System.IO.Path.GetExtension(folder) == ".gguf" && File.Exists(folder)) return FromGguf(folder);
        var configPath = System.IO.Path.Combine(folder, "tokenizer_config.json");
        var config = ReadObject(configPath);
        var variables = SpecialTokens(config, ReadObject(System.IO.Path.Combine(folder, "special_tokens_map.json")));
        if (FromJinjaFiles(folder, variables) is { } files) return files;
        var jsonPath = System.IO.Path.Combine(folder, "chat_template.json");
        return From(ReadObject(jsonPath)?["chat_template"], variables, jsonPath)
            ?? From(config?["chat_template"], variables, configPath);
    }

    private static ChatTemplateFiles? FromGguf(string path)
    {
        const string Key = "tokenizer.chat_template";
        using var file = GgufFile.Open(path);
        if (file.Values.Text(Key) is not { } template) return null;
        var variables = GgufTokenizer.SpecialTokens(file.Values).ToDictionary(t => t.Role, t => (JsonNode?)t.Token);
        return new ChatTemplateFiles(template, file.Values.Text($"{Key}.tool_use"), variables, path);
    }

    private static ChatTemplateFiles? FromJinjaFiles(string folder, Dictionary<string, JsonNode?> variables)
    {
        var path = System.IO.Path.Combine(folder, "chat_template.jinja");
        if (ReadText(path) is not { } template) return null;
        var toolUse = ReadText(System.IO.Path.Combine(folder, "additional_chat_templates", "tool_use.jinja"));
        return new ChatTemplateFiles(template, toolUse, variables, path);
    }

    private static ChatTemplateFiles? From(JsonNode? node, Dictionary<string, JsonNode?> variables, string path)
    {
        switch (node)
        {
            case null:
                return null;
            case JsonValue value when value.TryGetValue<string>(out var text):
                return new ChatTemplateFiles(text, null, variables, path);
            case JsonArray list:
                var toolUse = Named(list, "tool_use");
                var template = Named(list, "default") ?? toolUse
                    ?? throw new ModelFormatException("None of the chat templates is called 'default'.", path);
                return new ChatTemplateFiles(template, toolUse, variables, path);
            default:
                throw new ModelFormatException(
                    "'chat_template' is neither a string nor a list of named templates.", path);
        }
    }

    private static string? Named(JsonArray templates, string name) =>
        templates.OfType<JsonObject>().Where(t => TextOf(t["name"]) == name).Select(t => TextOf(t["template"]))
            .FirstOrDefault();

    /// <summary>
    /// What tokenizer_config.json declares counts; special_tokens_map.json, the older file, fills in what it lacks.
    /// </summary>
    private static Dictionary<string, JsonNode?> SpecialTokens(JsonObject? config, JsonObject? map)
    {
        Dictionary<string, JsonNode?> variables = [];
        foreach (var name in TokenNames)
            if (TextOf(config is not null && config.ContainsKey(name) ? config[name] : map?[name]) is { } token)
                variables[name] = token;
        // Tokens with names of the model's own, such as image_token.
        foreach (var (name, value) in config?["extra_special_tokens"] as JsonObject ?? [])
            if (TextOf(value) is { } token)
                variables[name] = token;
        return variables;
    }

    /// <summary>A string, or the content of a token written out as an object.</summary>
    private static string? TextOf(JsonNode? node) => node switch
    {
        JsonValue value when value.TryGetValue<string>(out var text) => text,
        JsonObject token => TextOf(token["content"]),
        _ => null,
    };

    private static JsonObject? ReadObject(string path)
    {
        if (ReadText(path) is not { } text) return null;
        try
        {
            return JsonNode.Parse(text) as JsonObject
                ?? throw new ModelFormatException("The file is not a JSON object.", path);
        }
        catch (Exception e) when (e is JsonException or ArgumentException)
        {
            throw new ModelFormatException($"The file is not valid JSON: {e.Message}", path, null, e);
        }
    }

    private static string? ReadText(string path)
    {
        try
        {
            return File.Exists(path) ? File.ReadAllText(path) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StorageException($"The file cannot be read: {e.Message}", path, null, e);
        }
    }
}
