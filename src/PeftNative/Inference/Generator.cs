using PeftNative.Models;
using PeftNative.Models.Layers;
using PeftNative.Models.Steps;
using PeftNative.Tensors;

namespace PeftNative.Inference;

/// <summary>A token added to one of the sequences of a batch.</summary>
/// <param name="Sequence">Number of the sequence, from 0.</param>
/// <param name="Token">The token.</param>
public readonly record struct GeneratedToken(int Sequence, int Token);

/// <summary>
/// Continues token sequences with a key/value cache; or, where the model has an encoder, writes what its decoder makes
/// of them. Sequences of a batch may have any lengths: there is no padding, and each goes on exactly as it would alone,
/// as long as tokens are not sampled. Owns its run and cache; one continuation at a time. Generators of several
/// threads may share a model, whose backend they use in turn, token by token; after <see cref="Dispose"/>, or that of
/// the model or an adapter, also in the midst of a continuation, the next token is an
/// <see cref="ObjectDisposedException"/>.
/// </summary>
public sealed class Generator : IDisposable
{
    private readonly TransformerModel model;
    private readonly SharedRun shared;
    // of the last run, kept because fresh memory of this size comes page by page from the system
    private float[] scores = [];

    /// <summary>Makes a generator.</summary>
    /// <exception cref="UsageException">The model has no language model head.</exception>
    public Generator(TransformerModel model, params IReadOnlyList<AttachmentSet> adapters)
    {
        if (!model.Task.WritesText())
            throw new UsageException("A classifier generates no text.", remedy: "Use it to predict labels.");
        this.model = model;
        shared = new SharedRun(model, adapters, this);
    }

    /// <summary>The adapters in force; may be exchanged between two continuations.</summary>
    /// <exception cref="InvalidOperationException">A continuation is under way.</exception>
    public IReadOnlyList<AttachmentSet> Adapters
    {
        get => shared.Adapters;
        set
        {
            using var scope = shared.Enter(out var run);
            run.Adapters = run.Cache is null ? value
                : throw new InvalidOperationException("adapters cannot be exchanged within a continuation");
        }
    }

    /// <summary>Continues a prompt; returns the new tokens, the end-of-sequence token not included.</summary>
    /// <inheritdoc cref="StreamBatch" path="/exception"/>
    public IReadOnlyList<int> Generate(ReadOnlySpan<int> prompt, GenerationOptions options,
        CancellationToken cancellation = default) =>
        [.. Stream(prompt.ToArray(), options, cancellation)];

    /// <summary>Continues several prompts together; returns the new tokens of each.</summary>
    /// <inheritdoc cref="StreamBatch" path="/exception"/>
    public IReadOnlyList<IReadOnlyList<int>> GenerateBatch(
        IReadOnlyList<int[]> prompts, GenerationOptions options, CancellationToken cancellation = default)
    {
        List<int>[] results = [.. prompts.Select(_ => new List<int>())];
        foreach (var (sequence, token) in StreamBatch(prompts, options, cancellation)) results[sequence].Add(token);
        return results;
    }

    /// <summary>Continues a prompt, token by token.</summary>
    /// <inheritdoc cref="StreamBatch" path="/exception"/>
    public IEnumerable<int> Stream(int[] prompt, GenerationOptions options, CancellationToken cancellation = default) =>
        StreamBatch([prompt], options, cancellation).Select(added => added.Token);

    /// <summary>Continues several prompts together; gives each token as soon as it is known.</summary>
    /// <exception cref="DataException">A prompt is empty, or too long for the model.</exception>
    /// <exception cref="UsageException">An option makes no sense.</exception>
    /// <exception cref="NumericException">The scores of a token are not finite; tokens given so far stand.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled; tokens given so far stand.</exception>
    /// <exception cref="InvalidOperationException">An earlier stream of this generator has not been read to its end or
    /// disposed.</exception>
    /// <exception cref="ObjectDisposedException">The generator, the model or an adapter in force has been
    /// disposed.</exception>
    public IEnumerable<GeneratedToken> StreamBatch(
        IReadOnlyList<int[]> prompts, GenerationOptions options, CancellationToken cancellation = default)
    {
        options.Validate();
        if (prompts.Any(p => p.Length == 0))
            throw new DataException("The prompt has no tokens.", remedy: "Give some text to continue.");
        return prompts.Count == 0 ? []
            : Run([.. prompts.Select((p, s) => new Sequence(s, p, Given(p), options))], options, cancellation);
    }

    /// <inheritdoc/>
    public void Dispose() => shared.Dispose();

    // What the stack below the head is given at first: the prompt, or the token that a decoder starts from.
    private int[] Given(int[] prompt) => model.Config.Encoder is null ? prompt : [model.Config.DecoderStartTokenId];

    private IEnumerable<GeneratedToken> Run(Sequence[] sequences, GenerationOptions options,
        CancellationToken cancellation)
    {
        var cache = Begin(sequences, options);
        try
        {
            for (var i = 0; i < options.MaxTokens && sequences.Any(s => !s.HasEnded); i++)
            {
                cancellation.ThrowIfCancellationRequested();
                var width = Score(sequences);
                var row = 0;
                foreach (var sequence in sequences.Where(s => !s.HasEnded).ToList())
                {
                    var own = scores.AsMemory(width * row++, width);
                    if (!Finite.All(own.Span))
                        throw new NumericException($"The scores of token {i + 1} are not finite.", null, Finite.Remedy);
                    var token = sequence.Pick(own.Span);
                    if (IsEnd(token, options)) sequence.End();
                    else yield return new GeneratedToken(sequence.Number, token);
                    // the model has no more positions
                    if (cache.LengthOf(sequence.Number) >= cache.Capacity) sequence.End();
                }
            }
        }
        finally
        {
            shared.Leave(cache);
        }
    }

    private bool IsEnd(int token, GenerationOptions options) =>
        (!options.IgnoreEndOfSequence && model.Config.EosTokenIds.Contains(token))
        || options.StopTokens.Contains(token);

    private KvCache Begin(Sequence[] sequences, GenerationOptions options)
    {
        using var scope = shared.Enter(out var run);
        if (run.Cache is not null)
            throw new InvalidOperationException(
                "the generator is busy with another continuation; use a second generator");
        var room = Room(sequences.Max(s => s.Next.Length), options.MaxTokens);
        return run.Cache = new KvCache(model.Backend, model.Config, sequences.Length, room);
    }

    // Rows of the cache that a sequence can fill: a learned table of positions ends somewhere.
    private int Room(int promptLength, int maxTokens)
    {
        var wanted = promptLength + maxTokens + shared.Adapters.Sum(a => a.VirtualTokens?.Count ?? 0);
        var limit = model.Embedding.Positions is { } table
            ? table.Rows - model.Config.PositionOffset - shared.Adapters.Sum(a => a.Prefix?.Count ?? 0) : int.MaxValue;
        return Math.Max(promptLength, Math.Min(wanted, limit));
    }

    // One pass over the new tokens of all sequences; sequences that have ended have none. Returns the number of scores
    // of each.
    private int Score(Sequence[] sequences)
    {
        using var scope = shared.Enter(out var run);
        var offsets = new int[sequences.Length + 1];
        for (var s = 0; s < sequences.Length; s++) offsets[s + 1] = offsets[s] + sequences[s].Next.Length;
        run.Forward(
            new TokenBatch([.. sequences.SelectMany(s => s.Next)], offsets) { Source = Source(run, sequences) });
        var rows = new List<int>();
        for (var s = 0; s < sequences.Length; s++)
            if (!sequences[s].HasEnded) rows.Add(run.Rows.Offsets[s + 1] - 1);
        var result = run.Scores([.. rows]);
        if (scores.Length < result.Count) scores = new float[result.Count];
        HostValues.Download(model.Backend, result, scores.AsSpan(0, (int)result.Count));
        return result.Columns;
    }

    // The cache keeps what the encoder has made of the prompts, so it reads them once.
    private TokenBatch? Source(ModelRun run, Sequence[] sequences)
    {
        if (model.Config.Encoder is null || run.Cache!.Length > 0) return null;
        var offsets = new int[sequences.Length + 1];
        for (var s = 0; s < sequences.Length; s++) offsets[s + 1] = offsets[s] + sequences[s].Prompt.Length;
        return new TokenBatch([.. sequences.SelectMany(s => s.Prompt)], offsets);
    }

    private sealed class Sequence
    {
        private readonly Sampler sampler;

        internal Sequence(int number, int[] prompt, int[] given, GenerationOptions options)
        {
            (Number, Prompt, Next, sampler) = (number, prompt, given, new Sampler(options, number));
            sampler.See(given);
        }

        internal int Number { get; }

        internal int[] Prompt { get; }

        /// <summary>Tokens the model has not seen yet; none when the sequence has ended.</summary>
        internal int[] Next { get; private set; }

        internal bool HasEnded => Next.Length == 0;

        internal int Pick(Span<float> scores)
        {
            var token = sampler.Pick(scores);
            Next = [token];
            return token;
        }

        internal void End() => Next = [];
    }
}
