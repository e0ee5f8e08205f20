using PeftNative.Formats.Gguf;
using PeftNative.Formats.Text;
using PeftNative.Tokenizers.Added;
using PeftNative.Tokenizers.Decoders;
using PeftNative.Tokenizers.Files.Parts;
using PeftNative.Tokenizers.Files.SentencePiece;
using PeftNative.Tokenizers.Models;
using PeftNative.Tokenizers.Patterns;
using PeftNative.Tokenizers.PreTokenizers;
using PeftNative.Tokenizers.Templates;

namespace PeftNative.Tokenizers.Files.Gguf;

/// <summary>
/// The tokenizer that a GGUF file holds, with the ids of llama.cpp, which are not always those that transformers makes
/// of the same file. Stateless and thread-safe.
/// </summary>
internal static class GgufTokenizer
{
    private const string Prefix = "tokenizer.ggml.";

    private static readonly (string Role, string Key)[] Roles =
        [("bos_token", "bos"), ("eos_token", "eos"), ("unk_token", "unknown"), ("pad_token", "padding")];

    /// <summary>The special tokens that a file names, by role.</summary>
    /// <exception cref="ModelFormatException">One is not among its tokens.</exception>
    internal static IEnumerable<(string Role, string Token)> SpecialTokens(GgufValues values)
    {
        var tokens = values.Texts(Prefix + "tokens") ?? [];
        foreach (var (role, name) in Roles)
        {
            if (values.Token(name) is not { } id) continue;
            yield return id < tokens.Length ? (role, tokens[id])
                : throw values.Error(GgufValues.TokenKey(name), $"is {id}, and there are {tokens.Length} tokens");
        }
    }

    /// <summary>Reads the tokenizer of a file.</summary>
    /// <exception cref="ModelFormatException">It has none, or one that is damaged or not supported.</exception>
    internal static (TokenizerParts Parts, TokenizerConfig Config) Read(string path)
    {
        using var file = GgufFile.Open(path);
        var values = file.Values;
        // A file has no configuration beside it; what it says takes its place.
        var config = new TokenizerConfig(path);
        foreach (var (role, token) in SpecialTokens(values)) config.DefaultSpecial(role, token);
        var pieces = Pieces(values);
        var parts = values.Text(Prefix + "model") switch
        {
            "gpt2" => ByteLevel(values, pieces, config),
            "llama" => SentencePieces(values, pieces, config),
            null => throw values.Error(Prefix + "model", "is missing: the file has no tokenizer"),
            var other => throw values.Error(Prefix + "model",
                $"is '{Message.Clip(other)}', which is not supported", "Supported: gpt2, llama."),
        };
        return (parts, config);
    }

    internal static List<SentencePiece.SentencePiece> Pieces(GgufValues values)
    {
        const string TokensKey = Prefix + "tokens", ScoresKey = Prefix + "scores", TypesKey = Prefix + "token_type";
        var tokens = values.Texts(TokensKey) ?? throw values.Error(TokensKey, "is missing");
        var (scores, types) = (values.Floats(ScoresKey), values.Integers(TypesKey));
        Limits.CheckCount(tokens.Length, values.File);
        if (scores is not null && scores.Length != tokens.Length)
            throw values.Error(ScoresKey, $"has {scores.Length} entries for {tokens.Length} tokens");
        if (types is not null && types.Length != tokens.Length)
            throw values.Error(TypesKey, $"has {types.Length} entries for {tokens.Length} tokens");
        if (scores is not null && Array.Exists(scores, s => !float.IsFinite(s)))
            throw values.Error(ScoresKey, "has a score that is not a number");
        return [.. tokens.Select((token, i) => new SentencePiece.SentencePiece(
            Limits.CheckToken(token, values.File), scores?[i] ?? 0, (PieceKind)(types?[i] ?? 1)))];
    }

    /// <summary>The SentencePiece model that a file describes.</summary>
    internal static SentencePieceFile PieceFile(GgufValues values, List<SentencePiece.SentencePiece> pieces) =>
        new(values.File, pieces, values.Flag(Prefix + "add_space_prefix") ?? true);

    private static TokenizerParts SentencePieces(GgufValues values, List<SentencePiece.SentencePiece> pieces,
        TokenizerConfig config)
    {
        var file = PieceFile(values, pieces);
        return SentencePieceFolder.Read(file, config) with { Processing = Around(values) };
    }

    private static TokenizerParts ByteLevel(GgufValues values, List<SentencePiece.SentencePiece> pieces,
        TokenizerConfig config)
    {
        var kind = values.Text(Prefix + "pre") ?? throw values.Error(Prefix + "pre",
            "is missing: how words are told apart is not known", "Convert the model again with a newer llama.cpp.");
        var split = Split(kind) ?? throw values.Error(Prefix + "pre",
            $"is '{Message.Clip(kind)}', which is not supported", "Supported: gpt-2, smollm, llama-bpe, qwen2.");
        var ids = SentencePieceModels.Ids(pieces);
        var isLlama3 = kind == "llama-bpe";
        var merges = Merges(values);
        var model = new BpeModel(new(ids), merges, new BpeOptions(IgnoreMerges: isLlama3), values.File);
        var added = pieces.Select((piece, id) => (piece, id))
            .Where(p => p.piece.Kind is PieceKind.Control or PieceKind.UserDefined or PieceKind.Unknown)
            .Select(p => new AddedToken(p.id, p.piece.Text, Normalized: false,
                Special: p.piece.Kind != PieceKind.UserDefined));
        return new(model, [], [.. split, new ByteLevelPreTokenizer(false, useRegex: false)],
            Around(values), new([new ByteLevelDecoder()]), config.Complete(added),
            config.Settings());
    }

    // The expressions of llama.cpp that belong to these names.
    private static PreTokenizer[]? Split(string kind) => kind switch
    {
        "gpt-2" => [new SplitPreTokenizer(new Gpt2Scanner(), SplitBehavior.Isolated)],
        "smollm" =>
        [
            new SplitPreTokenizer(PatternFactory.Create(@"\p{N}"), SplitBehavior.Isolated),
            new SplitPreTokenizer(new Gpt2Scanner(), SplitBehavior.Isolated),
        ],
        "llama-bpe" => [new SplitPreTokenizer(new Cl100kScanner(3), SplitBehavior.Isolated)],
        "qwen2" => [new SplitPreTokenizer(new Cl100kScanner(1), SplitBehavior.Isolated)],
        _ => null,
    };

    // The left part has at least one character, which may be a space.
    internal static List<(string Left, string Right)> Merges(GgufValues values)
    {
        const string Key = Prefix + "merges";
        var lines = values.Texts(Key) ?? throw values.Error(Key, "is missing");
        Limits.CheckCount(lines.Length, values.File);
        return [.. lines.Select((line, i) => line.IndexOf(' ', Math.Min(1, line.Length)) is > 0 and var at
            ? (line[..at], line[(at + 1)..])
            : throw values.Error(Key, $"has entry {i}, which is not two tokens with a space between"))];
    }

    /// <summary>Whether a text gets a token in front and one behind.</summary>
    internal static (bool Begin, bool End) Ends(GgufValues values) => (
        values.Flag(Prefix + "add_bos_token") ?? values.Text(Prefix + "model") == "llama"
            || values.Text(Prefix + "pre") == "llama-bpe",
        values.Flag(Prefix + "add_eos_token") ?? false);

    private static Func<Func<string, int?>, PostProcessing> Around(GgufValues values)
    {
        var (begin, end) = Ends(values);
        return id => new(Template.BeginAndEnd(begin ? id("bos_token") : null, end ? id("eos_token") : null), []);
    }
}
