using PeftNative.Determinism;

namespace PeftNative.Inference;

/// <summary>Picks the tokens of one sequence from their scores. Reuses its buffers; one thread at a time.</summary>
/// <param name="options">How to pick.</param>
/// <param name="sequence">Which stream of the seed is drawn from, so that rows of a batch differ.</param>
public sealed class Sampler(GenerationOptions options, int sequence = 0)
{
    private readonly RandomStream random = new(options.Seed, RandomPurpose.Sampling, (ulong)sequence);
    private readonly HashSet<int> seen = [];
    private int[] order = [];
    private float[] sorted = [];
    private double[] weights = [];
    private int count;

    /// <summary>Tells which tokens stand in front; the repetition penalty is on them.</summary>
    public void See(ReadOnlySpan<int> tokens)
    {
        if (options.RepetitionPenalty == 1) return;
        foreach (var token in tokens) seen.Add(token);
    }

    /// <summary>
    /// The next token; ties go to the smaller id. Draw n of the sequence is number n of its random stream. The scores
    /// are changed.
    /// </summary>
    public int Pick(Span<float> scores)
    {
        Penalize(scores);
        var token = options.Temperature <= 0 ? Classifier.Best(scores) : Draw(scores);
        count++;
        See([token]);
        return token;
    }

    private void Penalize(Span<float> scores)
    {
        var penalty = (float)options.RepetitionPenalty;
        foreach (var token in seen)
            if ((uint)token < (uint)scores.Length)
                scores[token] = scores[token] < 0 ? scores[token] * penalty : scores[token] / penalty;
    }

    private int Draw(ReadOnlySpan<float> scores)
    {
        Sort(scores);
        var kept = options.TopK > 0 ? Math.Min(options.TopK, order.Length) : order.Length;
        for (var i = 0; i < kept; i++) weights[i] = Math.Exp(((double)sorted[i] - sorted[0]) / options.Temperature);
        kept = LeastProbable(Nucleus(kept));

        var total = 0.0;
        for (var i = 0; i < kept; i++) total += weights[i];
        var target = random.UniformDouble((ulong)count) * total;
        for (var i = 0; i < kept; i++)
            if ((target -= weights[i]) < 0) return order[i];
        return order[kept - 1];
    }

    // Best first; the sort of keys and items is not stable, so that equal scores are put in order of their ids
    // afterwards.
    private void Sort(ReadOnlySpan<float> scores)
    {
        if (order.Length != scores.Length)
            (order, sorted, weights) = (new int[scores.Length], new float[scores.Length], new double[scores.Length]);
        for (var i = 0; i < order.Length; i++) (order[i], sorted[i]) = (i, -scores[i]);
        Array.Sort(sorted, order);
        for (int from = 0, to; from < order.Length; from = to)
        {
            for (to = from + 1; to < order.Length && sorted[to] == sorted[from]; to++) { }
            if (to - from > 1) Array.Sort(order, from, to - from);
        }
        for (var i = 0; i < sorted.Length; i++) sorted[i] = -sorted[i];
    }

    private int Nucleus(int kept)
    {
        if (options.TopP >= 1) return kept;
        var (total, sum) = (0.0, 0.0);
        for (var i = 0; i < kept; i++) total += weights[i];
        for (var i = 0; i < kept; i++)
            if ((sum += weights[i]) >= options.TopP * total) return i + 1;
        return kept;
    }

    // The best weight is 1.
    private int LeastProbable(int kept)
    {
        while (kept > 1 && weights[kept - 1] < options.MinP) kept--;
        return kept;
    }
}
