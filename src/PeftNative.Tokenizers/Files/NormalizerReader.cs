using PeftNative.Tokenizers.Files.Parts;
using PeftNative.Tokenizers.Normalizers;
using PeftNative.Tokenizers.Patterns;

namespace PeftNative.Tokenizers.Files;

/// <summary>Reads the "normalizer" of tokenizer.json into a flat list of steps.</summary>
internal static class NormalizerReader
{
    /// <summary>Reads a normalizer, or none.</summary>
    public static List<Normalizer> Read(JsonNodeAt? node)
    {
        var steps = new List<Normalizer>();
        if (node is { } present) Add(present, steps);
        return steps;
    }

    private static void Add(JsonNodeAt node, List<Normalizer> steps)
    {
        if (steps.Count > Limits.Components) throw node.Error("has too many normalizers");
        switch (node.Text("type"))
        {
            case "Sequence":
                foreach (var child in node.Need("normalizers").Items()) Add(child, steps);
                break;
            case "BertNormalizer" or "Bert":
                steps.AddRange(BertNormalizer.Steps(
                    node.Bool("clean_text", true), node.Bool("handle_chinese_chars", true),
                    node.Get("strip_accents")?.AsBool(),
                    node.Bool("lowercase", true)));
                break;
            case "NFC": steps.Add(new FormNormalizer(compose: true, compatibility: false)); break;
            case "NFD": steps.Add(new FormNormalizer(compose: false, compatibility: false)); break;
            case "NFKC": steps.Add(new FormNormalizer(compose: true, compatibility: true)); break;
            case "NFKD": steps.Add(new FormNormalizer(compose: false, compatibility: true)); break;
            case "Lowercase": steps.Add(new LowercaseNormalizer()); break;
            case "Strip":
                steps.Add(new StripNormalizer(node.Bool("strip_left", true), node.Bool("strip_right", true)));
                break;
            case "StripAccents": steps.Add(new MapNormalizer(c => !Text.UnicodeTables.IsMark(c), c => c)); break;
            case "Nmt": steps.Add(new MapNormalizer(c => !IsNmtControl(c), c => IsNmtSpace(c) ? ' ' : c)); break;
            case "Replace":
                steps.Add(new ReplaceNormalizer(ReadPattern(node.Need("pattern")), node.Need("content").AsText()));
                break;
            case "Prepend": steps.Add(new PrependNormalizer(node.Need("prepend").AsText())); break;
            case "ByteLevel": steps.Add(new ByteLevelNormalizer()); break;
            case "Precompiled":
                if (node.Text("precompiled_charsmap") is { Length: > 0 } map)
                    steps.Add(PrecompiledNormalizer.FromBase64(map, node.Where));
                break;
            case var type: throw node.Error($"has a normalizer of the unknown type \"{type}\"");
        }
    }

    /// <summary>Reads {"String": ...} or {"Regex": ...}.</summary>
    public static SplitPattern ReadPattern(JsonNodeAt node)
    {
        if (node.Text("String") is { } literal) return new LiteralPattern(literal);
        return PatternFactory.Create(node.Need("Regex").AsText());
    }

    private static bool IsNmtControl(int c) =>
        c is (>= 1 and <= 8) or 0xB or (>= 0xE and <= 0x1F) or 0x7F or 0x8F or 0x9F;

    private static bool IsNmtSpace(int c) =>
        c is 9 or 0xA or 0xC or 0xD or 0x1680 or (>= 0x200B and <= 0x200F) or 0x2028 or 0x2029 or 0x2581 or 0xFEFF
            or 0xFFFD;
}
