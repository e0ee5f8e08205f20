using PeftNative.Tokenizers.Added;
using PeftNative.Tokenizers.Files.Gguf;
using PeftNative.Tokenizers.Files.Parts;
using PeftNative.Tokenizers.Normalizers;
using PeftNative.Tokenizers.Pipeline;
using PeftNative.Tokenizers.Templates;

namespace PeftNative.Tokenizers.Files;

/// <summary>Reads model folders.</summary>
internal static class TokenizerFolder
{
    /// <summary>Reads tokenizer.json, or the older files where it is missing; or a GGUF file.</summary>
    public static BuiltTokenizer Load(string folder)
    {
        if (Path.GetExtension(folder) == ".gguf" && File.Exists(folder)) return LoadGguf(folder);
        if (!Directory.Exists(folder)) throw NoFolder(folder);
        var path = Path.Combine(folder, "tokenizer.json");
        if (!File.Exists(path)) return LoadOlderFiles(folder);
        var config = new TokenizerConfig(folder);
        return Build(ReadTokenizerJson(path, config), config);
    }

    private static BuiltTokenizer LoadGguf(string file)
    {
        var (parts, config) = GgufTokenizer.Read(file);
        return Build(parts, config);
    }

    private static ModelFormatException NoFolder(string path) => File.Exists(path)
        ? new("This is a file; a model is a folder.", path, "Give the folder that it lies in.")
        : new("There is no such folder.", path, "Check the path.");

    /// <summary>Reads the older files.</summary>
    public static BuiltTokenizer LoadOlderFiles(string folder)
    {
        var config = new TokenizerConfig(folder);
        return Build(OlderFiles.Read(folder, config), config);
    }

    private static TokenizerParts ReadTokenizerJson(string path, TokenizerConfig config)
    {
        var root = JsonNodeAt.Read(path, Limits.FileBytes);
        if (root.Text("version", "1.0") is var version && version != "1.0")
            throw root.Error($"has the unknown version \"{version}\"");
        var added = root.Get("added_tokens")?.Items()
            .Select(node => TokenizerConfig.ReadToken(node, node.Need("id").AsInt(0, Limits.MaxId))).ToList() ?? [];
        Limits.CheckCount(added.Count, path);
        var processing = TemplateReader.Read(root.Get("post_processor"));
        return new(
            ModelReader.Read(root.Need("model")), NormalizerReader.Read(root.Get("normalizer")),
            PreTokenizerReader.Read(root.Get("pre_tokenizer")), _ => processing,
            DecoderReader.Read(root.Get("decoder")), config.Complete(added),
                config.Settings(root.Get("padding"), root.Get("truncation")));
    }

    private static BuiltTokenizer Build(TokenizerParts parts, TokenizerConfig config)
    {
        var normalizer = new NormalizerChain(parts.Normalizers);
        var vocabulary = new AddedVocabulary(parts.Added, parts.Model, normalizer, normalizer,
            parts.Settings.SplitSpecialTokens);
        int? Id(string role) => parts.Settings.SpecialTokens.TryGetValue(role, out var token)
            ? vocabulary.IdOf(token) ?? (parts.Model.IdOf(token) is var id and >= 0 ? id : null) : null;
        var (begin, end) = (config.Flag("add_bos_token"), config.Flag("add_eos_token"));
        // transformers replaces the post-processor where the configuration speaks of these two.
        var processing = begin is null && end is null ? parts.Processing(Id)
            : new(Template.BeginAndEnd(begin == true ? Id("bos_token") : null, end == true ? Id("eos_token") : null),
                []);
        var pipeline = new TokenPipeline(vocabulary, parts.PreTokenizers, parts.Model);
        return new(pipeline, parts.Model, vocabulary, processing, parts.Decoder, parts.Settings);
    }
}
