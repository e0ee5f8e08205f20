using PeftNative.Tokenizers.Decoders;
using PeftNative.Tokenizers.Models;
using PeftNative.Tokenizers.Normalizers;
using PeftNative.Tokenizers.PreTokenizers;
using PeftNative.Tokenizers.Templates;
using PeftNative.Tokenizers.Text;

namespace PeftNative.Tokenizers.Files;

/// <summary>The parts of a tokenizer, from whatever file they come.</summary>
internal sealed record TokenizerParts(
    TokenModel Model, List<Normalizer> Normalizers, List<PreTokenizer> PreTokenizers, PostProcessing Processing, TokenDecoder Decoder,
    List<AddedToken> Added, TokenizerSettings Settings);

/// <summary>Reads model folders.</summary>
internal static class TokenizerFolder
{
    /// <summary>Reads tokenizer.json, or the older files where it is missing.</summary>
    public static HfTokenizer Load(string folder)
    {
        if (!Directory.Exists(folder)) throw new ModelFormatException("There is no such folder.", folder);
        var path = Path.Combine(folder, "tokenizer.json");
        return File.Exists(path) ? Build(ReadTokenizerJson(path, new(folder)), new(folder)) : LoadOlderFiles(folder);
    }

    /// <summary>Reads the older files.</summary>
    public static HfTokenizer LoadOlderFiles(string folder)
    {
        var config = new TokenizerConfig(folder);
        return Build(OlderFiles.Read(folder, config), config);
    }

    private static TokenizerParts ReadTokenizerJson(string path, TokenizerConfig config)
    {
        var root = JsonNodeAt.Read(path, Limits.FileBytes);
        if (root.Text("version", "1.0") is var version && version != "1.0") throw root.Error($"has the unknown version \"{version}\"");
        var added = root.Get("added_tokens")?.Items()
            .Select(node => TokenizerConfig.ReadToken(node, node.Need("id").AsInt(0, Limits.MaxId))).ToList() ?? [];
        Limits.CheckCount(added.Count, path);
        return new(
            ModelReader.Read(root.Need("model")), NormalizerReader.Read(root.Get("normalizer")),
            PreTokenizerReader.Read(root.Get("pre_tokenizer")), TemplateReader.Read(root.Get("post_processor")),
            DecoderReader.Read(root.Get("decoder")), config.Complete(added), config.Settings(root.Get("padding"), root.Get("truncation")));
    }

    private static HfTokenizer Build(TokenizerParts parts, TokenizerConfig config)
    {
        var vocabulary = new AddedVocabulary(parts.Added, parts.Model, new(parts.Normalizers), parts.Settings.SplitSpecialTokens);
        int? Id(string role) => parts.Settings.SpecialTokens.TryGetValue(role, out var token)
            ? vocabulary.IdOf(token) ?? (parts.Model.IdOf(token) is var id and >= 0 ? id : null) : null;
        var processing = parts.Processing;
        if (config.Flag("add_bos_token") is not null || config.Flag("add_eos_token") is not null)
        {
            // transformers replaces the post-processor where the configuration speaks of these two.
            processing = new(BeginAndEnd(
                config.Flag("add_bos_token") == true ? Id("bos_token") : null, config.Flag("add_eos_token") == true ? Id("eos_token") : null), []);
        }
        var pipeline = new TokenPipeline(vocabulary, parts.PreTokenizers, parts.Model);
        return new(pipeline, parts.Model, vocabulary, processing, parts.Decoder, parts.Settings);
    }

    /// <summary>The template begin A end, and for pairs begin A end begin B end with type 1 from the second begin on.</summary>
    public static Template BeginAndEnd(int? begin, int? end)
    {
        TemplatePiece[] Around(int source, byte type) =>
            [new(-1, type, begin is { } b ? [b] : []), new(source, type, []), new(-1, type, end is { } e ? [e] : [])];
        return new(Around(0, 0), [.. Around(0, 0), .. Around(1, 1)]);
    }
}
