using System.Text.Json;
using PeftNative.Tokenizers.Added;
using PeftNative.Tokenizers.Encodings;

namespace PeftNative.Tokenizers.Files.Parts;

/// <summary>Reads tokenizer_config.json and special_tokens_map.json.</summary>
internal sealed class TokenizerConfig
{
    private static readonly string[] Roles =
        ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

    // The classes of transformers whose inputs include token_type_ids; others have them only where model_input_names
    // says so.
    private static readonly string[] TypedFamilies =
        ["Bert", "Albert", "Electra", "MobileBert", "ConvBert", "SqueezeBert", "Funnel", "Lxmert", "RoFormer",
            "RemBert", "Splinter",
            "LayoutLM", "XLNet", "Deberta", "DebertaV2", "FNet", "Realm", "Retribert", "Herbert", "BertJapanese"];

    // What transformers' class gives the role mask_token where the configuration is silent.
    private const string GemmaMask = "<mask>";

    // The classes that pad on the left unless the configuration says otherwise.
    private static readonly string[] LeftPaddedFamilies = ["Gemma", "Llama", "CodeLlama", "Cohere", "Bloom", "XLNet",
        "Cpm"];

    private readonly JsonNodeAt? config, map;
    private readonly Dictionary<string, AddedToken> declared = [];
    private readonly Dictionary<string, string> special = [];
    private readonly List<string> extraSpecial = [];

    /// <summary>Reads what is there.</summary>
    public TokenizerConfig(string folder)
    {
        config = ReadIfPresent(Path.Combine(folder, "tokenizer_config.json"));
        map = ReadIfPresent(Path.Combine(folder, "special_tokens_map.json"));
        if (config?.Get("added_tokens_decoder") is { } decoder) ReadDeclared(decoder);
        foreach (var source in new[] { config, map })
        {
            if (source is not { } node) continue;
            foreach (var role in Roles) ReadRole(node, role);
            foreach (var key in (string[])["additional_special_tokens", "extra_special_tokens"])
                ReadExtra(node.Get(key));
        }
    }

    /// <summary>The name of the tokenizer's class in transformers, or null.</summary>
    public string? ClassName => config?.Text("tokenizer_class");

    /// <summary>Special tokens by role.</summary>
    public IReadOnlyDictionary<string, string> SpecialTokens => special;

    /// <summary>The class without "Tokenizer" and "Fast", or null.</summary>
    public string? Family => ClassName?.Replace("Fast", "").Replace("Tokenizer", "");

    /// <summary>How many sentinel tokens a T5 tokenizer adds.</summary>
    public int ExtraIds =>
        config?.Get("extra_ids")?.AsInt(0, Limits.Tokens) ?? (Family is "T5" or "MT5" or "UMT5" ? 100 : 0);

    /// <summary>A truth value of tokenizer_config.json, or null.</summary>
    public bool? Flag(string key) => config?.Get(key)?.AsBool();

    /// <summary>
    /// The added tokens of tokenizer.json with what the configuration says of them, and the special tokens that it
    /// alone knows.
    /// </summary>
    public List<AddedToken> Complete(IEnumerable<AddedToken> fromFile)
    {
        var tokens = fromFile.ToList();
        tokens.AddRange(
            declared.Values.OrderBy(t => t.Id).Where(d => !tokens.Any(t => t with { Id = 0 } == d with { Id = 0 })));
        var known = tokens.Select(t => t.Content).ToHashSet();
        var named = special.Values.Concat(extraSpecial).ToHashSet();
        foreach (var content in named)
        {
            if (known.Add(content)) tokens.Add(new(0, content, Normalized: false, Special: true));
        }
        // A token with a role is special, whatever its own entry says.
        if (Family is "Gemma" && known.Contains(GemmaMask)) named.Add(GemmaMask);
        return [.. tokens.Select(t => named.Contains(t.Content) ? t with { Special = true } : t)];
    }

    /// <summary>Sets a special token that the configuration does not mention.</summary>
    public void DefaultSpecial(string role, string token) => special.TryAdd(role, token);

    /// <summary>
    /// The settings; what tokenizer.json says of padding and truncation counts only where the configuration is silent.
    /// </summary>
    public TokenizerSettings Settings(JsonNodeAt? padding = null, JsonNodeAt? truncation = null)
    {
        if (padding?.Text("pad_token") is { } pad) special.TryAdd("pad_token", pad);
        return new()
        {
            SpecialTokens = special,
            HasTokenTypes = TokenTypes(),
            ModelMaxLength = config?.Get("model_max_length")?.AsNumber() is { } length and > 0 and < int.MaxValue
                ? (int)length : null,
            PaddingSide = ReadSide("padding_side", padding)
                ?? (LeftPaddedFamilies.Contains(Family) ? Side.Left : Side.Right),
            TruncationSide = ReadSide("truncation_side", truncation) ?? Side.Right,
            CleanUpSpaces = Flag("clean_up_tokenization_spaces") ?? false,
            CleanUpEvenForBpe = Flag("clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output")
                ?? false,
            SplitSpecialTokens = Flag("split_special_tokens") ?? false,
        };
    }

    /// <summary>Reads the parts of an added token; the id is read by the caller.</summary>
    public static AddedToken ReadToken(JsonNodeAt node, int id) => new(
        id, Limits.CheckToken(node.Need("content").AsText(), node.Where), node.Bool("single_word", false),
            node.Bool("lstrip", false),
        node.Bool("rstrip", false), node.Bool("normalized", true), node.Bool("special", false));

    private static JsonNodeAt? ReadIfPresent(string path) =>
        File.Exists(path) ? JsonNodeAt.Read(path, Limits.ConfigBytes) : null;

    private void ReadDeclared(JsonNodeAt decoder)
    {
        foreach (var (key, value) in decoder.Entries())
        {
            if (!int.TryParse(key, out var id) || id < 0 || id > Limits.MaxId)
                throw decoder.Error($"has the added token id \"{key}\"");
            var token = ReadToken(value, id);
            declared[token.Content] = token;
        }
    }

    private void ReadRole(JsonNodeAt node, string role)
    {
        if (node.Get(role) is not { } value) return;
        var content = value.Element.ValueKind == JsonValueKind.Object ? value.Need("content").AsText() : value.AsText();
        if (special.ContainsKey(role)) return;
        special[role] = content;
        if (value.Element.ValueKind == JsonValueKind.Object)
            declared.TryAdd(content, ReadToken(value, Limits.MaxId) with { Special = true });
    }

    private void ReadExtra(JsonNodeAt? list)
    {
        if (list is not { } node) return;
        var items = node.Element.ValueKind == JsonValueKind.Object ? node.Entries().Select(e => e.Value) : node.Items();
        foreach (var item in items)
        {
            extraSpecial.Add(item.Element.ValueKind == JsonValueKind.Object ? item.Need("content").AsText()
                : item.AsText());
        }
    }

    private bool? TokenTypes()
    {
        if (config?.Get("model_input_names") is { } names)
            return names.Items().Any(n => n.AsText() == "token_type_ids");
        if (ClassName is not { } name) return null;
        return TypedFamilies.Contains(Family) || name is "PreTrainedTokenizerFast" or "TokenizersBackend";
    }

    private Side? ReadSide(string key, JsonNodeAt? fallback) =>
        (config?.Text(key) ?? fallback?.Text("direction"))?.ToLowerInvariant() switch
    {
        null => null,
        "right" => Side.Right,
        "left" => Side.Left,
        var other => throw config!.Value.Error($"has the unknown {key} \"{other}\""),
    };
}
