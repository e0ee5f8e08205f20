using PeftNative.Tokenizers.Added;
using PeftNative.Tokenizers.Decoders;
using PeftNative.Tokenizers.Files.Parts;
using PeftNative.Tokenizers.Normalizers;
using PeftNative.Tokenizers.Patterns;
using PeftNative.Tokenizers.Pipeline;
using PeftNative.Tokenizers.PreTokenizers;
using PeftNative.Tokenizers.Templates;
using PeftNative.Tokenizers.Text;

namespace PeftNative.Tokenizers.Files.SentencePiece;

/// <summary>
/// Turns a SentencePiece model into the pipeline transformers makes of it, or into one that equals the SentencePiece
/// library.
/// </summary>
internal static class SentencePieceFolder
{
    // These renumber or add pieces by rules of their own; their ids cannot be had from the model alone.
    private static readonly string[] Renumbering =
        ["XLMRoberta", "Camembert", "MBart", "MBart50", "Nllb", "Pegasus", "Barthez", "BigBird", "DebertaV2", "Albert",
            "XLNet", "Fnet",
            "Reformer", "RemBert", "SeamlessM4T", "XGLM", "Udop", "LayoutXLM", "NougatBase"];

    /// <summary>The pipeline transformers makes.</summary>
    public static TokenizerParts Read(SentencePieceFile file, TokenizerConfig config)
    {
        if (Renumbering.Contains(config.Family))
        {
            throw new ModelFormatException(
                $"A {config.Family} tokenizer cannot be read from a SentencePiece model alone.", file.Path,
                "Save it once with transformers, which writes tokenizer.json.");
        }
        string[] extra = file.IsBpe ? []
            : [.. Enumerable.Range(0, config.ExtraIds).Reverse().Select(i => $"<extra_id_{i}>")];
        var model = SentencePieceModels.Convert(file, extra);
        SetDefaults(file, config);
        var added = Tokens(file, PieceKind.Control).Concat(Tokens(file, PieceKind.UserDefined)).OrderBy(t => t.Id)
            .Concat(extra.Select((text, i) => new AddedToken(file.Pieces.Count + i, text, Normalized: false,
                Special: true)));
        var (normalizers, split) = file.IsBpe ? BpeSteps(file, config) : UnigramSteps(file, config);
        return new(
            model, normalizers, split, id => Around(file, config, id), Decoder(file), config.Complete(added),
            config.Settings());
    }

    /// <summary>
    /// A tokenizer that gives the ids of the SentencePiece library: no added tokens but the user's symbols, no
    /// template.
    /// </summary>
    public static BuiltTokenizer ReadNative(SentencePieceFile file)
    {
        var model = SentencePieceModels.Native(file);
        var symbols = Tokens(file, PieceKind.UserDefined).Select(t => t with { Normalized = true }).ToList();
        var normalizer = new SentencePieceNormalizer(file.Rules, symbols.Select(s => s.Content));
        // In a Unigram model the user's symbols win by their score.
        var vocabulary = new AddedVocabulary(
            file.IsBpe ? symbols : [], model, new([normalizer]), new([]), splitSpecial: false);
        var pipeline = new TokenPipeline(vocabulary, [], model);
        return new(pipeline, model, vocabulary, new(Template.Plain, []), Decoder(file),
            new() { HasTokenTypes = false });
    }

    private static IEnumerable<AddedToken> Tokens(SentencePieceFile file, PieceKind kind) =>
        file.Pieces.Select((piece, id) => (piece, id)).Where(p => p.piece.Kind == kind)
            .Select(p => new AddedToken(p.id, p.piece.Text, Normalized: false, Special: kind == PieceKind.Control));

    private static void SetDefaults(SentencePieceFile file, TokenizerConfig config)
    {
        if (file.UnknownId >= 0) config.DefaultSpecial("unk_token", file.Pieces[file.UnknownId].Text);
        foreach (var text in file.Pieces.Where(p => p.Kind == PieceKind.Control).Select(p => p.Text))
        {
            string? role = text switch
            {
                "<s>" or "<bos>" => "bos_token",
                "</s>" or "<eos>" => "eos_token",
                "<pad>" => "pad_token",
                _ => null,
            };
            if (role is not null) config.DefaultSpecial(role, text);
        }
    }

    private static (List<Normalizer>, List<PreTokenizer>) BpeSteps(SentencePieceFile file, TokenizerConfig config)
    {
        var visible = new ReplaceNormalizer(new LiteralPattern(" "), "▁");
        if (!file.AddDummyPrefix || config.Flag("add_prefix_space") == false) return ([visible], []);
        return config.Flag("legacy") ?? true
            ? ([new PrependNormalizer("▁"), visible], [])
            : ([], [new MetaspacePreTokenizer('▁', PrependScheme.First, split: false)]);
    }

    private static (List<Normalizer>, List<PreTokenizer>) UnigramSteps(SentencePieceFile file, TokenizerConfig config)
    {
        List<Normalizer> normalizers = file.Map is { } map ? [new PrecompiledNormalizer(map)] : [];
        var scheme = file.AddDummyPrefix ? PrependScheme.Always : PrependScheme.Never;
        var words = new MetaspacePreTokenizer('▁', scheme, split: true);
        if (config.Family is "T5" or "MT5" or "UMT5")
        {
            return (normalizers,
                [new SplitPreTokenizer(new CharPattern(UnicodeTables.IsWhiteSpace), SplitBehavior.Removed), words]);
        }
        normalizers.Add(new StripNormalizer(left: false, right: true));
        normalizers.Add(new ReplaceNormalizer(PatternFactory.Create(" {2,}"), "▁"));
        return (normalizers, [words]);
    }

    private static PostProcessing Around(SentencePieceFile file, TokenizerConfig config, Func<string, int?> id)
    {
        if (file.IsBpe) return new(Template.BeginAndEnd(id("bos_token"), null), []);
        var end = id("eos_token") is { } eos ? new[] { eos } : [];
        TemplatePiece[] single = [new(0, 0, []), new(-1, 0, end)];
        return new(new(single, [.. single, new(1, 0, []), new(-1, 0, end)]), []);
    }

    private static TokenDecoder Decoder(SentencePieceFile file)
    {
        if (!file.IsBpe) return new([new MetaspaceDecoder('▁', file.AddDummyPrefix)]);
        List<Decoder> steps = [new ReplaceDecoder(new LiteralPattern("▁"), " "), new ByteFallbackDecoder(),
            new FuseDecoder()];
        if (file.AddDummyPrefix) steps.Add(new StripDecoder(" ", 1, 0, perToken: false));
        return new(steps);
    }
}
