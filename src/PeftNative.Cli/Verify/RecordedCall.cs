using PeftNative.Tokenizers;
using PeftNative.Tokenizers.Encodings;
using PeftNative.Tokenizers.Files.Parts;

namespace PeftNative.Cli.Verify;

/// <summary>One recorded call of a tokenizer: what was passed and what came back.</summary>
internal sealed class RecordedCall(JsonNodeAt node)
{
    /// <summary>The name of the case.</summary>
    public string Name => node.Need("name").AsText();

    /// <summary>The value of a key.</summary>
    public JsonNodeAt Need(string key) => node.Need(key);

    /// <summary>The value of a key, or null.</summary>
    public JsonNodeAt? Get(string key) => node.Get(key);

    /// <summary>The options of the call; a padding token that was set before it is looked up.</summary>
    public EncodeOptions Options(HfTokenizer tokenizer)
    {
        var result = new EncodeOptions { AddSpecialTokens = node.Need("add_special_tokens").AsBool() };
        if (node.Get("options") is not { } options) return result;
        int? maxLength = options.Get("max_length")?.AsInt(0, int.MaxValue);
        var truncation = options.Get("truncation");
        var padding = options.Text("padding");
        return result with
        {
            MaxLength = truncation is null
                || truncation.Value.Element.ValueKind == System.Text.Json.JsonValueKind.False ? null : maxLength,
            Truncation = Strategy(truncation),
            TruncationSide = SideOf(options.Text("truncation_side", "right")),
            Padding = padding switch { null => Padding.None, "max_length" => Padding.Fixed, "longest" =>
                Padding.Longest, _ => throw options.Error("has an unknown padding") },
            PadLength = padding == "max_length" ? maxLength ?? 0 : 0,
            PaddingSide = SideOf(options.Text("padding_side")),
            PadToMultipleOf = options.Get("pad_to_multiple_of")?.AsInt(0, int.MaxValue) ?? 0,
            PaddingId = options.Text("pad_token") is { } pad ? tokenizer.IdOf(pad) : null,
        };
    }

    private static TruncationStrategy Strategy(JsonNodeAt? node) => node is not { } value
        || value.Element.ValueKind != System.Text.Json.JsonValueKind.String ? TruncationStrategy.LongestFirst
            : value.AsText() switch
        {
            "longest_first" => TruncationStrategy.LongestFirst,
            "only_first" => TruncationStrategy.OnlyFirst,
            "only_second" => TruncationStrategy.OnlySecond,
            _ => throw value.Error("has an unknown truncation strategy"),
        };

    private static Side? SideOf(string? name) => name switch { null => null, "left" => Side.Left, _ => Side.Right };
}
