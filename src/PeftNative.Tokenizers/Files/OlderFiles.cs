using PeftNative.Tokenizers.Decoders;
using PeftNative.Tokenizers.Files.Parts;
using PeftNative.Tokenizers.Files.SentencePiece;
using PeftNative.Tokenizers.Models;
using PeftNative.Tokenizers.Normalizers;
using PeftNative.Tokenizers.Patterns;
using PeftNative.Tokenizers.PreTokenizers;
using PeftNative.Tokenizers.Templates;
using PeftNative.Tokenizers.Text;

namespace PeftNative.Tokenizers.Files;

/// <summary>Reads the files tokenizers had before tokenizer.json, as transformers converts them.</summary>
internal static class OlderFiles
{
    /// <summary>Reads what the folder has.</summary>
    public static TokenizerParts Read(string folder, TokenizerConfig config)
    {
        if (SentencePieceModel(folder) is { } model) return SentencePieceFolder.Read(new(model), config);
        if (Find(folder, "vocab.json") is { } vocabulary && Find(folder, "merges.txt") is { } merges)
            return ByteLevel(vocabulary, merges, config);
        if (Find(folder, "vocab.txt") is { } words) return WordPiece(words, config);
        if (File.Exists(Path.Combine(folder, "adapter_config.json")))
            throw new ModelFormatException("The folder is an adapter's, not a model's.", folder,
                "Give it with --adapter, and its base with --model.");
        throw new ModelFormatException(
            "The folder has no tokenizer.", folder,
            "It needs tokenizer.json, or vocab.json and merges.txt, or vocab.txt, or tokenizer.model, "
                + "or spiece.model.");
    }

    /// <summary>Whether the folder has any.</summary>
    public static bool Exist(string folder) =>
        SentencePieceModel(folder) is not null || Find(folder, "vocab.txt") is not null
        || (Find(folder, "vocab.json") is not null && Find(folder, "merges.txt") is not null);

    /// <summary>The SentencePiece model of a folder, or null.</summary>
    public static string? SentencePieceModel(string folder) =>
        Find(folder, "tokenizer.model") ?? Find(folder, "spiece.model");

    private static string? Find(string folder, string name) =>
        Path.Combine(folder, name) is var path && File.Exists(path) ? path : null;

    private static TokenizerParts ByteLevel(string vocabularyPath, string mergesPath, TokenizerConfig config)
    {
        var vocabulary = ModelReader.ReadVocabulary(JsonNodeAt.Read(vocabularyPath, Limits.FileBytes));
        var merges = new List<(string, string)>();
        foreach (var line in ReadLines(mergesPath))
        {
            if (line.Length > 0 && !line.StartsWith("#version", StringComparison.Ordinal))
                merges.Add(ModelReader.SplitMerge(line, mergesPath));
            Limits.CheckCount(merges.Count, mergesPath);
        }
        var isQwen = config.Family is "Qwen2" or "Qwen3";
        var model = new BpeModel(vocabulary, merges, new(), mergesPath);
        foreach (var role in (string[])["bos_token", "eos_token", "unk_token"])
        {
            if (!isQwen && model.IdOf("<|endoftext|>") >= 0) config.DefaultSpecial(role, "<|endoftext|>");
        }
        List<Normalizer> normalizers = isQwen || config.Family == "GPTNeoX"
            ? [new FormNormalizer(compose: true, compatibility: false)] : [];
        var prefix = config.Flag("add_prefix_space") ?? false;
        List<PreTokenizer> split = isQwen
            ? [new SplitPreTokenizer(new Cl100kScanner(1), SplitBehavior.Isolated),
                new ByteLevelPreTokenizer(false, useRegex: false)]
            : [new ByteLevelPreTokenizer(prefix, useRegex: true)];
        return new(
            model, normalizers, split, ByteLevelTemplate(config, prefix), new([new ByteLevelDecoder()]),
            config.Complete([]), config.Settings());
    }

    // RoBERTa and its kin declare cls and sep: cls A sep, or cls A sep sep B sep, offsets trimmed.
    private static Func<Func<string, int?>, PostProcessing> ByteLevelTemplate(TokenizerConfig config, bool prefix) =>
        id =>
    {
        if (id("cls_token") is not { } cls || id("sep_token") is not { } sep) return new(Template.Plain, []);
        var trims = config.Flag("trim_offsets") ?? true ? new[] { prefix } : [];
        return new(Template.Around(cls, sep, 0, separators: 2), trims);
    };

    private static TokenizerParts WordPiece(string path, TokenizerConfig config)
    {
        foreach (var role in (string[])["unk", "sep", "pad", "cls", "mask"])
        {
            config.DefaultSpecial($"{role}_token", $"[{role.ToUpperInvariant()}]");
        }
        var ids = new Dictionary<string, int>();
        var line = 0;
        foreach (var token in ReadLines(path)) ids[Limits.CheckToken(token.TrimEnd(), path)] = line++;
        Limits.CheckCount(ids.Count, path);
        var model = new WordPieceModel(new(ids), config.SpecialTokens["unk_token"], "##", 100, path);
        var normalizers = BertNormalizer.Steps(
            cleanText: true, config.Flag("tokenize_chinese_chars") ?? true, config.Flag("strip_accents"),
            config.Flag("do_lower_case") ?? true);
        List<PreTokenizer> split =
        [
            new SplitPreTokenizer(new CharPattern(UnicodeTables.IsWhiteSpace), SplitBehavior.Removed),
            new SplitPreTokenizer(new CharPattern(UnicodeTables.IsPunctuation), SplitBehavior.Isolated),
        ];
        PostProcessing Around(Func<string, int?> id) => id("cls_token") is { } cls && id("sep_token") is { } sep
            ? new(Template.Around(cls, sep, 1, separators: 1), []) : new(Template.Plain, []);
        return new(
            model, [.. normalizers], split, Around, new([new WordPieceDecoder("##", cleanUp: true)]),
            config.Complete([]), config.Settings());
    }

    private static IEnumerable<string> ReadLines(string path)
    {
        using var reader = new StreamReader(new MemoryStream(FileBytes.Read(path, Limits.FileBytes)));
        while (reader.ReadLine() is { } line) yield return line;
    }
}
