using System.Globalization;
using System.Text.Json;
using PeftNative.Formats.Json;
using PeftNative.Models.Families;

namespace PeftNative.Peft.Adapters;

/// <summary>How many tokens the tokenizer files of a folder know, without making a tokenizer of them.</summary>
internal static class TokenizerSize
{
    private const long Most = 256L << 20;

    private static readonly string[] Files =
        ["tokenizer.json", "vocab.json", "vocab.txt", "added_tokens.json", "tokenizer_config.json"];

    /// <summary>One more than the largest id; null where the folder has no tokenizer.</summary>
    /// <exception cref="ModelFormatException">A file is broken.</exception>
    internal static int? Of(string folder)
    {
        if (GgufConfig.IsFile(folder)) return FamilyTable.Read(folder).VocabularySize;
        var paths = Files.Select(name => Path.Combine(folder, name)).Where(File.Exists);
        return paths.Select(LargestId).Max() + 1;
    }

    private static int? LargestId(string path)
    {
        if (Path.GetFileName(path) == "vocab.txt") return File.ReadLines(path).Count() - 1;
        var json = StrictJson.ReadFile(path, Most);
        return Path.GetFileName(path) switch
        {
            "tokenizer.json" => Larger(OfModel(json), OfAddedTokens(json)),
            "tokenizer_config.json" => json.GetOptionalObject("added_tokens_decoder")?.Keys.Select(Id).Max(),
            _ => OfMap(json.Element),
        };
    }

    private static int? OfModel(StrictObject json)
    {
        if (json.GetOptionalObject("model") is not { } model || !model.Has("vocab")) return null;
        var vocabulary = model.Element.GetProperty("vocab");
        return vocabulary.ValueKind == JsonValueKind.Array ? vocabulary.GetArrayLength() - 1 : OfMap(vocabulary);
    }

    private static int? OfAddedTokens(StrictObject json)
    {
        if (!json.Has("added_tokens")) return null;
        var tokens = json.Element.GetProperty("added_tokens");
        if (tokens.ValueKind != JsonValueKind.Array) return null;
        return tokens.EnumerateArray().Where(t => t.ValueKind == JsonValueKind.Object)
            .Select(t => t.TryGetProperty("id", out var id) ? Id(id) : null).Max();
    }

    private static int? OfMap(JsonElement map) =>
        map.ValueKind == JsonValueKind.Object ? map.EnumerateObject().Select(p => Id(p.Value)).Max() : null;

    private static int? Id(JsonElement value) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var id) && id < int.MaxValue ? id : null;

    private static int? Id(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var id) && id < int.MaxValue
            ? id : null;

    private static int? Larger(int? a, int? b) => a is null || b > a ? b : a;
}
