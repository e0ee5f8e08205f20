using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using PeftNative.Formats.Gguf;
using PeftNative.Tokenizers.Added;
using PeftNative.Tokenizers.Files.SentencePiece;
using PeftNative.Tokenizers.Patterns;

namespace PeftNative.Tokenizers.Files.Gguf;

/// <summary>
/// Writes the tokenizer of a GGUF file as a folder has it: tokenizer.json and tokenizer_config.json with its chat
/// templates. The ids are those that the file asks for. Stateless and thread-safe.
/// </summary>
internal static class GgufTokenizerFiles
{
    private const string Template = "tokenizer.chat_template";

    private static readonly JsonSerializerOptions Json = new()
    {
        WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The texts of the files, by name.</summary>
    /// <exception cref="ModelFormatException">The file has no tokenizer, or one that is damaged or not
    /// supported.</exception>
    internal static IReadOnlyDictionary<string, string> Of(string path)
    {
        var (parts, _) = GgufTokenizer.Read(path);
        using var file = GgufFile.Open(path);
        var values = file.Values;
        var pieces = GgufTokenizer.Pieces(values);
        var ids = SentencePieceModels.Ids(pieces);
        var special = GgufTokenizer.SpecialTokens(values).ToDictionary(t => t.Role, t => t.Token);
        var isByteLevel = values.Text("tokenizer.ggml.model") == "gpt2";
        var json = new JsonObject
        {
            ["version"] = "1.0", ["truncation"] = null, ["padding"] = null,
            ["added_tokens"] = Added(parts.Added, ids), ["normalizer"] = null, ["pre_tokenizer"] = null,
            ["post_processor"] = Around(values, special, ids), ["decoder"] = null, ["model"] = null,
        };
        if (isByteLevel) SetByteLevel(json, values, ids);
        else SetPieces(json, GgufTokenizer.PieceFile(values, pieces), ids);
        return new Dictionary<string, string>
        {
            ["tokenizer.json"] = json.ToJsonString(Json) + "\n",
            ["tokenizer_config.json"] = Config(values, special).ToJsonString(Json) + "\n",
        };
    }

    // Tokens that only a role names have no id of their own.
    private static JsonArray Added(IEnumerable<AddedToken> tokens, Dictionary<string, int> ids) => new(
    [
        .. tokens.Select(t => (Id: ids.GetValueOrDefault(t.Content, t.Id), Token: t)).DistinctBy(t => t.Id)
            .OrderBy(t => t.Id).Select(t => (JsonNode)new JsonObject
            {
                ["id"] = t.Id, ["content"] = t.Token.Content, ["single_word"] = t.Token.SingleWord,
                ["lstrip"] = t.Token.LeftStrip, ["rstrip"] = t.Token.RightStrip,
                ["normalized"] = t.Token.Normalized, ["special"] = t.Token.Special,
            }),
    ]);

    private static void SetByteLevel(JsonObject json, GgufValues values, Dictionary<string, int> ids)
    {
        var kind = values.Text("tokenizer.ggml.pre");
        JsonArray splits = [];
        if (kind == "smollm") splits.Add((JsonNode)Split(@"\p{N}"));
        splits.Add((JsonNode)Split(kind switch
        {
            "llama-bpe" => PatternFactory.Llama3, "qwen2" => PatternFactory.Qwen2, _ => PatternFactory.Gpt2,
        }));
        splits.Add((JsonNode)ByteLevel());
        json["pre_tokenizer"] = Sequence("pretokenizers", splits);
        json["decoder"] = ByteLevel();
        json["model"] = Bpe(ids, GgufTokenizer.Merges(values), null, false, kind == "llama-bpe");
    }

    private static void SetPieces(JsonObject json, SentencePieceFile file, Dictionary<string, int> ids)
    {
        JsonArray steps = [], decoders =
        [
            Replace("\u2581", " "), new JsonObject { ["type"] = "ByteFallback" }, new JsonObject { ["type"] = "Fuse" },
        ];
        if (file.AddDummyPrefix)
        {
            steps.Add((JsonNode)new JsonObject { ["type"] = "Prepend", ["prepend"] = "\u2581" });
            decoders.Add((JsonNode)new JsonObject
            {
                ["type"] = "Strip", ["content"] = " ", ["start"] = 1, ["stop"] = 0,
            });
        }
        steps.Add((JsonNode)Replace(" ", "\u2581"));
        json["normalizer"] = Sequence("normalizers", steps);
        json["decoder"] = Sequence("decoders", decoders);
        var unknown = file.UnknownId >= 0 ? file.Pieces[file.UnknownId].Text : null;
        json["model"] = Bpe(ids, SentencePieceModels.Merges(file, ids), unknown, file.ByteFallback, false);
    }

    private static JsonObject Bpe(Dictionary<string, int> ids, List<(string Left, string Right)> merges,
        string? unknown, bool hasBytes, bool ignoresMerges)
    {
        var vocabulary = new JsonObject();
        foreach (var (token, id) in ids.OrderBy(p => p.Value)) vocabulary.Add(token, id);
        return new JsonObject
        {
            ["type"] = "BPE", ["dropout"] = null, ["unk_token"] = unknown, ["continuing_subword_prefix"] = null,
            ["end_of_word_suffix"] = null, ["fuse_unk"] = unknown is not null, ["byte_fallback"] = hasBytes,
            ["ignore_merges"] = ignoresMerges, ["vocab"] = vocabulary,
            ["merges"] = new JsonArray([.. merges.Select(m => (JsonNode)new JsonArray(m.Left, m.Right))]),
        };
    }

    private static JsonObject? Around(GgufValues values, Dictionary<string, string> special,
        Dictionary<string, int> ids)
    {
        var (begins, ends) = GgufTokenizer.Ends(values);
        var (begin, end) = (Of(begins, "bos_token"), Of(ends, "eos_token"));
        if (begin is null && end is null) return null;
        var tokens = new JsonObject();
        foreach (var token in new[] { begin, end }.OfType<string>().Distinct())
            tokens[token] = new JsonObject
            {
                ["id"] = token, ["ids"] = new JsonArray(ids[token]), ["tokens"] = new JsonArray(token),
            };
        return new JsonObject
        {
            ["type"] = "TemplateProcessing", ["single"] = new JsonArray([.. Text("A", 0)]),
            ["pair"] = new JsonArray([.. Text("A", 0), .. Text("B", 1)]), ["special_tokens"] = tokens,
        };

        string? Of(bool isWanted, string role) => isWanted ? special.GetValueOrDefault(role) : null;

        IEnumerable<JsonNode> Text(string name, int type)
        {
            if (begin is not null) yield return Piece("SpecialToken", begin, type);
            yield return Piece("Sequence", name, type);
            if (end is not null) yield return Piece("SpecialToken", end, type);
        }

        static JsonNode Piece(string kind, string id, int type) =>
            new JsonObject { [kind] = new JsonObject { ["id"] = id, ["type_id"] = type } };
    }

    private static JsonObject Config(GgufValues values, Dictionary<string, string> special)
    {
        var config = new JsonObject
        {
            ["tokenizer_class"] = "PreTrainedTokenizerFast", ["clean_up_tokenization_spaces"] = false,
            ["model_input_names"] = new JsonArray("input_ids", "attention_mask"),
        };
        if (values.Text("general.architecture") is { } name
            && values.Integer($"{name}.context_length") is { } length) config["model_max_length"] = length;
        foreach (var (role, token) in special) config[role] = token;
        if (values.Text(Template) is not { } template) return config;
        config["chat_template"] = values.Text($"{Template}.tool_use") is { } tools
            ? new JsonArray(Named("default", template), Named("tool_use", tools)) : template;
        return config;

        static JsonNode Named(string name, string text) => new JsonObject { ["name"] = name, ["template"] = text };
    }

    private static JsonObject Sequence(string name, JsonArray steps) => new() { ["type"] = "Sequence", [name] = steps };

    private static JsonObject Split(string pattern) => new()
    {
        ["type"] = "Split", ["pattern"] = new JsonObject { ["Regex"] = pattern }, ["behavior"] = "Isolated",
        ["invert"] = false,
    };

    private static JsonObject ByteLevel() => new()
    {
        ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["trim_offsets"] = true, ["use_regex"] = false,
    };

    private static JsonObject Replace(string old, string content) => new()
    {
        ["type"] = "Replace", ["pattern"] = new JsonObject { ["String"] = old }, ["content"] = content,
    };
}
