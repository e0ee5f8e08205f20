using System.Runtime.CompilerServices;
using PeftNative.Data;
using PeftNative.Models;
using PeftNative.Models.Layers;

namespace PeftNative.Inference;

/// <summary>
/// Continues texts: a <see cref="Generator"/> with the model's tokenizer around it and stop texts. It ends at the end
/// token of the tokenizer and at those of config.json and generation_config.json, whichever comes first. One
/// continuation at a time; generators of several threads may share a model and a tokenizer, and all may be disposed at
/// any time (see <see cref="Generator"/>).
/// </summary>
public sealed class TextGenerator : IDisposable
{
    private readonly Generator generator;
    private readonly ITokenizer tokenizer;

    /// <summary>Makes a generator of text.</summary>
    /// <exception cref="UsageException">The model has no language model head.</exception>
    public TextGenerator(TransformerModel model, ITokenizer tokenizer, params IReadOnlyList<AttachmentSet> adapters) =>
        (generator, this.tokenizer) = (new Generator(model, adapters), tokenizer);

    /// <inheritdoc cref="Generator.Adapters"/>
    public IReadOnlyList<AttachmentSet> Adapters
    {
        get => generator.Adapters;
        set => generator.Adapters = value;
    }

    /// <summary>Tokens added by the latest continuation, those of the stop text included.</summary>
    public int TokenCount { get; private set; }

    /// <summary>Continues a text; returns what is added to it.</summary>
    /// <inheritdoc cref="Stream(string, GenerationOptions, CancellationToken)" path="/exception"/>
    public string Generate(string prompt, GenerationOptions options, CancellationToken cancellation = default) =>
        string.Concat(Stream(prompt, options, cancellation));

    /// <summary>
    /// Continues a text, piece by piece; no piece ends in the middle of a character or begins a stop text.
    /// </summary>
    /// <exception cref="DataException">The prompt is empty, or too long for the model.</exception>
    /// <exception cref="UsageException">An option makes no sense.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled; pieces given so far stand.</exception>
    public IEnumerable<string> Stream(string prompt, GenerationOptions options,
        CancellationToken cancellation = default) =>
        Stream(tokenizer.Encode(prompt).Ids, options, cancellation);

    /// <summary>Continues a text given as tokens.</summary>
    /// <inheritdoc cref="Stream(string, GenerationOptions, CancellationToken)" path="/exception"/>
    public IEnumerable<string> Stream(int[] prompt, GenerationOptions options, CancellationToken cancellation = default)
    {
        var decoder = tokenizer.CreateStream();
        var stop = new StopTexts(options.Stop);
        TokenCount = 0;
        foreach (var token in generator.Stream(prompt, WithEnd(options), cancellation))
        {
            TokenCount++;
            if (stop.Push(decoder.Push(token)) is { Length: > 0 } piece) yield return piece;
            if (stop.IsReached) yield break;
        }
        if (stop.Push(decoder.Close()) + stop.Close() is { Length: > 0 } rest) yield return rest;
    }

    /// <summary>
    /// Continues a text, piece by piece; the model computes on the thread pool while the caller waits.
    /// </summary>
    /// <inheritdoc cref="Stream(string, GenerationOptions, CancellationToken)" path="/exception"/>
    public async IAsyncEnumerable<string> StreamAsync(
        string prompt, GenerationOptions options, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        using var pieces = Stream(prompt, options, cancellation).GetEnumerator();
        while (await Task.Run(pieces.MoveNext, cancellation).ConfigureAwait(false)) yield return pieces.Current;
    }

    /// <summary>
    /// Continues several texts together; returns what is added to each. Stop texts cut each where its first one begins.
    /// </summary>
    /// <inheritdoc cref="Stream(string, GenerationOptions, CancellationToken)" path="/exception"/>
    public IReadOnlyList<string> GenerateBatch(IReadOnlyList<string> prompts, GenerationOptions options,
        CancellationToken cancellation = default) =>
        GenerateBatch([.. prompts.Select(p => tokenizer.Encode(p).Ids)], options, cancellation);

    /// <summary>Continues several texts given as tokens.</summary>
    /// <inheritdoc cref="Stream(string, GenerationOptions, CancellationToken)" path="/exception"/>
    public IReadOnlyList<string> GenerateBatch(IReadOnlyList<int[]> prompts, GenerationOptions options,
        CancellationToken cancellation = default) =>
        [.. generator.GenerateBatch(prompts, WithEnd(options), cancellation)
            .Select(ids => Cut(tokenizer.Decode([.. ids]), options.Stop))];

    /// <inheritdoc/>
    public void Dispose() => generator.Dispose();

    private GenerationOptions WithEnd(GenerationOptions options) =>
        options.IgnoreEndOfSequence ? options : options.StoppingAt(tokenizer.EndOfSequenceId);

    private static string Cut(string text, IReadOnlyList<string> stop)
    {
        var watch = new StopTexts(stop);
        return watch.Push(text) + watch.Close();
    }
}
