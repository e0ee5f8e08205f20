using PeftNative.Data;
using PeftNative.Tokenizers.Added;
using PeftNative.Tokenizers.Decoders;
using PeftNative.Tokenizers.Encodings;
using PeftNative.Tokenizers.Files;
using PeftNative.Tokenizers.Files.Gguf;
using PeftNative.Tokenizers.Files.Parts;
using PeftNative.Tokenizers.Files.SentencePiece;
using PeftNative.Tokenizers.Models;
using PeftNative.Tokenizers.Pipeline;
using PeftNative.Tokenizers.Templates;

namespace PeftNative.Tokenizers;

/// <summary>
/// A tokenizer as Hugging Face folders describe it; its ids, offsets and decoded text equal those of the tokenizers and
/// transformers libraries. Immutable and safe to use from several threads.
/// </summary>
public sealed class HfTokenizer : ITokenizer
{
    private readonly TokenPipeline pipeline;
    private readonly TokenModel model;
    private readonly AddedVocabulary added;
    private readonly Assembler assembler;
    private readonly TokenDecoder decoder;
    private readonly TokenizerSettings settings;

    private HfTokenizer(BuiltTokenizer built)
    {
        (pipeline, model, added) = (built.Pipeline, built.Model, built.Added);
        (decoder, settings) = (built.Decoder, built.Settings);
        var types = settings.HasTokenTypes ?? model.Kind == "WordPiece";
        assembler = new(built.Processing, model, types);
        VocabularySize = Math.Max(model.MaxId, added.Tokens.Select(t => t.Id).DefaultIfEmpty(-1).Max()) + 1;
    }

    /// <inheritdoc/>
    public int VocabularySize { get; }

    /// <inheritdoc/>
    public int? BeginOfSequenceId => SpecialId("bos_token");

    /// <inheritdoc/>
    public int? EndOfSequenceId => SpecialId("eos_token");

    /// <inheritdoc/>
    public int? PaddingId => SpecialId("pad_token");

    /// <summary>The id of the unknown token, or null.</summary>
    public int? UnknownId => SpecialId("unk_token");

    /// <inheritdoc/>
    public bool HasTokenTypes => assembler.HasTokenTypes;

    /// <summary>
    /// The special tokens the folder declares, by role: <c>bos_token</c>, <c>eos_token</c>, <c>pad_token</c> and so on.
    /// </summary>
    public IReadOnlyDictionary<string, string> SpecialTokens => settings.SpecialTokens;

    /// <summary>The longest input the model was made for, or null where the folder does not say.</summary>
    public int? ModelMaxLength => settings.ModelMaxLength;

    /// <summary>The tokens that are found in the text itself.</summary>
    public IReadOnlyCollection<AddedToken> AddedTokens => added.Tokens;

    /// <summary>
    /// Reads the tokenizer of a model folder: tokenizer.json, or the older files where it is missing; or the one in a
    /// .gguf file, with llama.cpp's ids.
    /// </summary>
    /// <param name="folder">The folder, or the file.</param>
    /// <exception cref="ModelFormatException">A file is missing, broken or uses something unknown.</exception>
    public static HfTokenizer Load(string folder) => new(TokenizerFolder.Load(folder));

    /// <summary>
    /// The tokenizer of a .gguf file as the files of a folder, with the same ids: tokenizer.json and
    /// tokenizer_config.json, which holds the chat templates.
    /// </summary>
    /// <param name="path">The file, of a split model the first.</param>
    /// <returns>The texts of the files, by name.</returns>
    /// <exception cref="ModelFormatException">The file has no tokenizer, or one that is broken or unknown.</exception>
    /// <exception cref="StorageException">The file cannot be read.</exception>
    public static IReadOnlyDictionary<string, string> FilesOfGguf(string path) => GgufTokenizerFiles.Of(path);

    /// <summary>
    /// Reads the older files of a folder (vocab.json and merges.txt, vocab.txt, tokenizer.model, spiece.model) even
    /// where tokenizer.json exists.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="ModelFormatException">There are none, or they are broken.</exception>
    public static HfTokenizer LoadOlderFiles(string folder) => new(TokenizerFolder.LoadOlderFiles(folder));

    /// <summary>
    /// Reads a SentencePiece model so that the ids are those of the SentencePiece library itself: tokens added by
    /// transformers are plain text.
    /// </summary>
    /// <param name="path">The path of tokenizer.model or spiece.model.</param>
    /// <exception cref="ModelFormatException">The file is no such model.</exception>
    public static HfTokenizer LoadSentencePiece(string path) =>
        new(SentencePieceFolder.ReadNative(new(path)));

    /// <inheritdoc/>
    public TokenSequence Encode(string text, string? pair = null, bool addSpecialTokens = true, int? maxLength = null)
    {
        var options = new EncodeOptions { AddSpecialTokens = addSpecialTokens, MaxLength = maxLength,
            TruncationSide = Side.Right };
        var encoding = EncodeText(text, pair, options);
        return new(encoding.Ids, encoding.TokenTypes, encoding.Starts, encoding.Ends, encoding.Sources,
            encoding.Truncated);
    }

    /// <summary>Encodes a text or a pair.</summary>
    /// <param name="text">The text; a lone surrogate counts as U+FFFD.</param>
    /// <param name="pair">The second text, or null.</param>
    /// <param name="options">Special tokens, limits and padding.</param>
    /// <exception cref="UsageException">The options cannot be met.</exception>
    public TokenEncoding EncodeText(string text, string? pair = null, EncodeOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(text);
        options = Complete(options);
        var scratch = pipeline.Rent();
        try
        {
            var selection = Tokenize(text, pair, options, scratch);
            return assembler.Build(scratch.First, scratch.Second, selection, options);
        }
        finally
        {
            pipeline.Return(scratch);
        }
    }

    /// <summary>Encodes several texts, or pairs, into flat arrays; nothing is allocated per token.</summary>
    /// <param name="texts">The texts.</param>
    /// <param name="pairs">The second texts, as many, or null.</param>
    /// <param name="options">Special tokens, limits and padding.</param>
    /// <exception cref="UsageException">The options cannot be met.</exception>
    public EncodedTexts EncodeBatch(IReadOnlyList<string> texts, IReadOnlyList<string>? pairs = null,
        EncodeOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(texts);
        if (pairs is not null && pairs.Count != texts.Count)
            throw new UsageException("There are not as many second texts as texts.");
        options = Complete(options);
        var scratch = pipeline.Rent();
        try
        {
            var builder = new BatchBuilder(assembler, options, texts.Count);
            for (var row = 0; row < texts.Count; row++)
            {
                var selection = Tokenize(texts[row], pairs?[row], options, scratch);
                builder.Add(scratch.First, scratch.Second, selection);
            }
            return builder.Build();
        }
        finally
        {
            pipeline.Return(scratch);
        }
    }

    /// <inheritdoc/>
    /// <remarks>Ids without a token are left out, as the reference does.</remarks>
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens = true) =>
        Decode(ids, skipSpecialTokens, settings.CleanUpSpaces && (model.Kind != "BPE" || settings.CleanUpEvenForBpe));

    /// <summary>Turns ids back into text.</summary>
    /// <param name="ids">Token ids; those without a token are left out.</param>
    /// <param name="skipSpecialTokens">Whether special tokens are left out.</param>
    /// <param name="cleanUpSpaces">Whether spaces before punctuation and contractions are removed.</param>
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens, bool cleanUpSpaces)
    {
        var text = DecodePart(ids, skipSpecialTokens, atStart: true);
        return cleanUpSpaces ? CleanUp.OfSpaces(text) : text;
    }

    /// <inheritdoc/>
    public ITokenStream CreateStream(bool skipSpecialTokens = true) => new StreamDecoder(this, skipSpecialTokens);

    /// <inheritdoc/>
    public int? IdOf(string token) => added.IdOf(token) ?? (model.IdOf(token) is var id and >= 0 ? id : null);

    /// <summary>The token of an id as it is spelled in the vocabulary, or null.</summary>
    public string? TokenOf(int id) => added.TokenOf(id) ?? model.TokenOf(id);

    /// <summary>Whether what follows a point in a stream can be decoded without what came before.</summary>
    internal bool CanResumeDecoding => decoder.CanResume;

    internal string DecodePart(ReadOnlySpan<int> ids, bool skipSpecialTokens, bool atStart)
    {
        var tokens = new List<string>(ids.Length);
        foreach (var id in ids)
        {
            if (TokenOf(id) is { } token && !(skipSpecialTokens && added.IsSpecial(token))) tokens.Add(token);
        }
        return decoder.Decode(tokens, atStart);
    }

    private int? SpecialId(string role) => settings.SpecialTokens.TryGetValue(role, out var token) ? IdOf(token) : null;

    private EncodeOptions Complete(EncodeOptions? options)
    {
        options ??= EncodeOptions.Default;
        if (options.MaxLength < 0 || options.PadLength < 0 || options.PadToMultipleOf < 0)
        {
            throw new UsageException("A length must not be negative.");
        }
        return options with
        {
            TruncationSide = options.TruncationSide ?? settings.TruncationSide,
            PaddingSide = options.PaddingSide ?? settings.PaddingSide,
            PaddingId = options.PaddingId ?? PaddingId,
        };
    }

    private Selection Tokenize(string text, string? pair, EncodeOptions options, TokenPipeline.Scratch scratch)
    {
        var left = options.TruncationSide == Side.Left;
        pipeline.Tokenize(text, scratch, scratch.First);
        scratch.Second.Begin("");
        if (pair is not null) pipeline.Tokenize(pair, scratch, scratch.Second);
        int first = scratch.First.Count, second = scratch.Second.Count;
        var (keepFirst, keepSecond) = (first, second);
        if (options.MaxLength is { } limit)
        {
            var room = Room(limit, pair is not null, options);
            (keepFirst, keepSecond) = Truncation.Lengths(first, pair is null ? null : second, room, options.Truncation);
        }
        return new(
            pair is not null, left ? first - keepFirst : 0, keepFirst, left ? second - keepSecond : 0, keepSecond,
            keepFirst < first || keepSecond < second);
    }

    private int Room(int limit, bool isPair, EncodeOptions options)
    {
        var special = options.AddSpecialTokens ? assembler.Added(isPair) : 0;
        return limit >= special ? limit - special
            : throw new UsageException($"The limit of {limit} tokens leaves no room for the {special} special tokens.",
                "maxLength");
    }
}
