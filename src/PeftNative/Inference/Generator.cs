using PeftNative.Determinism;
using PeftNative.Models;
using PeftNative.Tensors;

namespace PeftNative.Inference;

/// <summary>How text is continued.</summary>
public sealed record GenerationOptions
{
    /// <summary>The most tokens to add.</summary>
    public int MaxTokens { get; init; } = 128;

    /// <summary>Divides the scores before sampling; 0 takes the best token always.</summary>
    public double Temperature { get; init; }

    /// <summary>Only the k best tokens are sampled; 0 for all.</summary>
    public int TopK { get; init; }

    /// <summary>Only the smallest set of best tokens with this probability is sampled (Holtzman et al. 2019, arXiv:1904.09751).</summary>
    public double TopP { get; init; } = 1;

    /// <summary>Seed of the sampling.</summary>
    public ulong Seed { get; init; }

    /// <summary>Whether to go on after an end-of-sequence token.</summary>
    public bool IgnoreEndOfSequence { get; init; }
}

/// <summary>
/// Continues token sequences, or writes what an encoder-decoder model makes of one, with a key/value cache. Owns its pass and cache; one thread at a time; many may share a model.
/// </summary>
public sealed class Generator : IDisposable
{
    private readonly TransformerModel model;
    private readonly Pass pass;
    private readonly Sampler sampler = new();

    /// <summary>Makes a generator.</summary>
    /// <exception cref="UsageException">The model has no language model head.</exception>
    public Generator(TransformerModel model, params IReadOnlyList<AttachmentSet> adapters)
    {
        if (!model.Task.WritesText()) throw new UsageException("A classifier generates no text.", remedy: "Use it to predict labels.");
        this.model = model;
        pass = new Pass(model, adapters);
    }

    /// <summary>Continues a prompt (or, with an encoder, begins a new text from it); returns the new tokens, the end-of-sequence token not included.</summary>
    public IReadOnlyList<int> Generate(ReadOnlySpan<int> prompt, GenerationOptions options, CancellationToken cancellation = default) =>
        [.. Stream(prompt.ToArray(), options, cancellation)];

    /// <summary>Continues a prompt, token by token.</summary>
    /// <exception cref="DataException">The prompt is empty, or too long for the model.</exception>
    public IEnumerable<int> Stream(int[] prompt, GenerationOptions options, CancellationToken cancellation = default)
    {
        if (prompt.Length == 0) throw new DataException("The prompt has no tokens.", remedy: "Give some text to continue.");
        var source = model.Config.Encoder is null ? null : new TokenBatch(prompt, [0, prompt.Length]);
        if (source is not null) prompt = [model.Config.DecoderStartTokenId];
        var room = prompt.Length + options.MaxTokens + pass.Attachments.Sum(a => a.VirtualTokens?.Count ?? 0);
        using var cache = new KvCache(model, sequences: 1, Math.Min(room, model.Embedding.Positions is null ? room : model.Config.MaxPositions));
        pass.Cache = cache;
        try
        {
            var next = prompt;
            for (var i = 0; i < options.MaxTokens; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                if (cache.Length + next.Length > cache.Capacity && i > 0) yield break; // the model has no more positions
                var token = sampler.Pick(Scores(next, source), options, i);
                if (!options.IgnoreEndOfSequence && model.Config.EosTokenIds.Contains(token)) yield break;
                yield return token;
                next = [token];
            }
        }
        finally
        {
            pass.Cache = null;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => pass.Dispose();

    private float[] Scores(int[] tokens, TokenBatch? source)
    {
        pass.Begin(new TokenBatch(tokens, [0, tokens.Length]) { Source = source }, training: false);
        var x = model.Forward(pass);
        return HostValues.Download(model.Backend, model.Head.Scores(pass, x, [pass.Rows - 1]));
    }
}

/// <summary>Picks a token from scores. Reuses its buffers; one thread at a time.</summary>
public sealed class Sampler
{
    private int[] order = [];

    /// <summary>The next token; ties go to the smaller id. Sampling draws number <paramref name="position"/> of the seed's stream.</summary>
    public int Pick(Span<float> scores, GenerationOptions options, int position)
    {
        if (options.Temperature <= 0) return Best(scores);
        if (order.Length != scores.Length) order = new int[scores.Length];
        for (var i = 0; i < order.Length; i++) order[i] = i;
        var negated = new float[scores.Length];
        for (var i = 0; i < negated.Length; i++) negated[i] = -scores[i];
        Array.Sort(negated, order);

        var kept = options.TopK > 0 ? Math.Min(options.TopK, order.Length) : order.Length;
        var weights = new double[kept];
        for (var i = 0; i < kept; i++) weights[i] = Math.Exp((negated[0] - negated[i]) / options.Temperature);
        kept = Nucleus(weights, options.TopP);
        var target = new RandomStream(options.Seed, RandomPurpose.Sampling).UniformDouble((ulong)position) * weights.AsSpan(0, kept).ToArray().Sum();
        for (var i = 0; i < kept; i++)
            if ((target -= weights[i]) < 0) return order[i];
        return order[kept - 1];
    }

    private static int Nucleus(double[] weights, double topP)
    {
        if (topP >= 1) return weights.Length;
        var (total, sum) = (weights.Sum(), 0.0);
        for (var i = 0; i < weights.Length; i++)
            if ((sum += weights[i]) >= topP * total) return i + 1;
        return weights.Length;
    }

    private static int Best(ReadOnlySpan<float> scores)
    {
        var best = 0;
        for (var i = 1; i < scores.Length; i++)
            if (scores[i] > scores[best]) best = i;
        return best;
    }
}
