using PeftNative.Tokenizers.Files.Parts;
using PeftNative.Tokenizers.Patterns;
using PeftNative.Tokenizers.PreTokenizers;
using PeftNative.Tokenizers.Text;

namespace PeftNative.Tokenizers.Files;

/// <summary>Reads the "pre_tokenizer" of tokenizer.json into a flat list of steps.</summary>
internal static class PreTokenizerReader
{
    /// <summary>Reads a pre-tokenizer, or none.</summary>
    public static List<PreTokenizer> Read(JsonNodeAt? node)
    {
        var steps = new List<PreTokenizer>();
        if (node is { } present) Add(present, steps);
        return steps;
    }

    private static void Add(JsonNodeAt node, List<PreTokenizer> steps)
    {
        if (steps.Count > Limits.Components) throw node.Error("has too many pre-tokenizers");
        switch (node.Text("type"))
        {
            case "Sequence":
                foreach (var child in node.Need("pretokenizers").Items()) Add(child, steps);
                break;
            case "BertPreTokenizer":
                steps.Add(new SplitPreTokenizer(new CharPattern(UnicodeTables.IsWhiteSpace), SplitBehavior.Removed));
                steps.Add(new SplitPreTokenizer(new CharPattern(UnicodeTables.IsPunctuation), SplitBehavior.Isolated));
                break;
            case "ByteLevel":
                steps.Add(new ByteLevelPreTokenizer(node.Bool("add_prefix_space", true), node.Bool("use_regex", true)));
                break;
            case "Metaspace":
                steps.Add(new MetaspacePreTokenizer(ReadReplacement(node), ReadScheme(node), node.Bool("split", true)));
                break;
            case "Whitespace":
                steps.Add(new SplitPreTokenizer(new WordPattern(), SplitBehavior.Removed, invert: true));
                break;
            case "WhitespaceSplit":
                steps.Add(new SplitPreTokenizer(new CharPattern(UnicodeTables.IsWhiteSpace), SplitBehavior.Removed));
                break;
            case "CharDelimiterSplit" or "Delimiter":
                steps.Add(
                    new SplitPreTokenizer(new LiteralPattern(node.Need("delimiter").AsText()), SplitBehavior.Removed));
                break;
            case "Punctuation":
                steps.Add(new SplitPreTokenizer(new CharPattern(UnicodeTables.IsPunctuation),
                    ReadBehavior(node, "Isolated")));
                break;
            case "Digits":
                var each = node.Bool("individual_digits", false);
                steps.Add(new SplitPreTokenizer(
                    new CharPattern(UnicodeTables.IsNumeric),
                    each ? SplitBehavior.Isolated : SplitBehavior.Contiguous));
                break;
            case "Split":
                var pattern = NormalizerReader.ReadPattern(node.Need("pattern"));
                steps.Add(new SplitPreTokenizer(pattern, ReadBehavior(node, null), node.Bool("invert", false)));
                break;
            case "FixedLength":
                steps.Add(new FixedLengthPreTokenizer(node.Get("length")?.AsInt(1, int.MaxValue) ?? 5));
                break;
            case var type: throw node.Error($"has a pre-tokenizer of the unknown type \"{type}\"");
        }
    }

    /// <summary>The visible space of Metaspace.</summary>
    public static char ReadReplacement(JsonNodeAt node) => node.Text("replacement", "▁") is [var c] ? c
        : throw node.Error("has a Metaspace replacement that is not one character");

    /// <summary>Where Metaspace puts its prefix; older files say add_prefix_space.</summary>
    public static PrependScheme ReadScheme(JsonNodeAt node)
    {
        PrependScheme? scheme = node.Text("prepend_scheme") switch
        {
            null => null,
            "always" => PrependScheme.Always,
            "first" => PrependScheme.First,
            "never" => PrependScheme.Never,
            var other => throw node.Error($"has the unknown prepend_scheme \"{other}\""),
        };
        return node.Bool("add_prefix_space", true) ? scheme ?? PrependScheme.Always : PrependScheme.Never;
    }

    private static SplitBehavior ReadBehavior(JsonNodeAt node, string? missing) =>
        (node.Text("behavior") ?? missing) switch
    {
        "Removed" => SplitBehavior.Removed,
        "Isolated" => SplitBehavior.Isolated,
        "MergedWithPrevious" => SplitBehavior.MergedWithPrevious,
        "MergedWithNext" => SplitBehavior.MergedWithNext,
        "Contiguous" => SplitBehavior.Contiguous,
        var other => throw node.Error($"has the unknown split behavior \"{other}\""),
    };
}
