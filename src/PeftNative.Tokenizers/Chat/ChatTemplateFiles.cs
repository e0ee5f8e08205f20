using System.Text.Json;
using System.Text.Json.Nodes;
using PeftNative.Formats.Gguf;
using PeftNative.Tokenizers.Files.Gguf;

namespace PeftNative.Tokenizers.Chat;

/// <summary>The template texts and special tokens found in a model folder.</summary>
/// <param name="Templates">The templates by name; one that has no name is called "default".</param>
/// <param name="Variables">The special tokens by the names templates use.</param>
/// <param name="Path">The file the templates are from.</param>
internal sealed record ChatTemplateFiles(
    IReadOnlyDictionary<string, string> Templates, Dictionary<string, JsonNode?> Variables, string Path)
{
    /// <summary>The template for conversations of the usual kind.</summary>
    public const string Default = "default";

    /// <summary>The template for conversations with tools, where there is one of its own.</summary>
    public const string ToolUse = "tool_use";

    private static readonly string[] TokenNames =
        ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

    /// <summary>Reads a folder, or a GGUF file; null where it has no chat template.</summary>
    public static ChatTemplateFiles? Read(string folder)
    {
        if (System.IO.Path.GetExtension(folder) == ".gguf" && File.Exists(folder)) return FromGguf(folder);
        var configPath = System.IO.Path.Combine(folder, "tokenizer_config.json");
        var config = ReadObject(configPath);
        var variables = SpecialTokens(folder, config);
        if (FromJinjaFiles(folder, variables) is { } files) return files;
        var jsonPath = System.IO.Path.Combine(folder, "chat_template.json");
        return From(ReadObject(jsonPath)?["chat_template"], variables, jsonPath)
            ?? From(config?["chat_template"], variables, configPath);
    }

    /// <summary>The special tokens of a folder by the names templates use.</summary>
    public static Dictionary<string, JsonNode?> SpecialTokens(string folder) =>
        SpecialTokens(folder, ReadObject(System.IO.Path.Combine(folder, "tokenizer_config.json")));

    private static ChatTemplateFiles? FromGguf(string path)
    {
        const string Key = "tokenizer.chat_template";
        using var file = GgufFile.Open(path);
        if (file.Values.Text(Key) is not { } template) return null;
        var variables = GgufTokenizer.SpecialTokens(file.Values).ToDictionary(t => t.Role, t => (JsonNode?)t.Token);
        var templates = new Dictionary<string, string> { [Default] = template };
        if (file.Values.Text($"{Key}.{ToolUse}") is { } toolUse) templates[ToolUse] = toolUse;
        return new ChatTemplateFiles(templates, variables, path);
    }

    // The file is the default, and those in the folder beside it have the names of their files.
    private static ChatTemplateFiles? FromJinjaFiles(string folder, Dictionary<string, JsonNode?> variables)
    {
        var (path, others) = (System.IO.Path.Combine(folder, "chat_template.jinja"),
            System.IO.Path.Combine(folder, "additional_chat_templates"));
        var templates = new Dictionary<string, string>();
        foreach (var file in Directory.Exists(others) ? Directory.GetFiles(others, "*.jinja") : [])
            templates[System.IO.Path.GetFileNameWithoutExtension(file)] = ReadText(file)!;
        if (ReadText(path) is { } template) templates[Default] = template;
        else if (templates.Count > 0) path = others;
        return templates.Count > 0 ? new ChatTemplateFiles(templates, variables, path) : null;
    }

    private static ChatTemplateFiles? From(JsonNode? node, Dictionary<string, JsonNode?> variables, string path)
    {
        switch (node)
        {
            case null:
                return null;
            case JsonValue value when value.TryGetValue<string>(out var text):
                return new ChatTemplateFiles(
                    new Dictionary<string, string> { [Default] = text }, variables, path);
            case JsonArray list:
                var templates = new Dictionary<string, string>();
                foreach (var item in list.OfType<JsonObject>())
                    if (TextOf(item["name"]) is { } name && TextOf(item["template"]) is { } template)
                        templates[name] = template;
                return templates.Count > 0 ? new ChatTemplateFiles(templates, variables, path)
                    : throw new ModelFormatException("None of the chat templates has a name and a text.", path);
            default:
                throw new ModelFormatException(
                    "'chat_template' is neither a string nor a list of named templates.", path);
        }
    }

    /// <summary>
    /// What tokenizer_config.json declares counts; special_tokens_map.json, the older file, fills in what it lacks.
    /// </summary>
    private static Dictionary<string, JsonNode?> SpecialTokens(string folder, JsonObject? config)
    {
        var map = ReadObject(System.IO.Path.Combine(folder, "special_tokens_map.json"));
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
