using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Lab.Cases;

/// <summary>How queries, keys and values lie in memory.</summary>
internal enum HeadLayout
{
    /// <summary>Three matrices.</summary>
    Separate,

    /// <summary>All queries, then all keys, then all values in each row of one matrix.</summary>
    Fused,

    /// <summary>Query, key and value of a head side by side in one matrix.</summary>
    Interleaved,
}

/// <summary>Attention; <paramref name="Lengths"/> is queries:keys of every sequence, such as 5:5|1:9|0:3.</summary>
internal sealed record AttentionCase(string Lengths, int Heads, int KvHeads, int HeadDim) : OperationCase
{
    // Also sizes for which the formula divides by nothing, or by the logarithm of one or less.
    private static readonly (int Buckets, int MaxDistance)[] FewBuckets =
    [
        (1, 4), (2, 4), (3, 5), (4, 2), (4, 4), (5, 3), (8, 8), (8, 4), (8, 3), (8, 2), (8, 1), (32, 8), (64, 5),
        (512, 600),
    ];

    public HeadLayout Layout { get; init; }

    public bool Causal { get; init; }

    public int Window { get; init; }

    public double SoftCap { get; init; }

    public int Prefix { get; init; }

    /// <summary>Whether all sequences have the same prefix; else each has its own, and the first has none.</summary>
    public bool SharedPrefix { get; init; }

    public bool RelativeBias { get; init; }

    public bool Bidirectional { get; init; }

    /// <summary>Buckets of the relative bias; 0 for the usual 8.</summary>
    public int Buckets { get; init; }

    /// <summary>Largest distance they tell apart; 0 for the usual 20.</summary>
    public int MaxDistance { get; init; }

    public double Dropout { get; init; }

    /// <summary>Rows before, between and after the sequences that belong to none.</summary>
    public int Gap { get; init; }

    public bool OnlyPrefixGradients { get; init; }

    private protected override bool IsProduct => true;

    private int BucketCount => Buckets > 0 ? Buckets : 8;

    private (int Queries, int Keys)[] Sequences => [.. Lengths.Split('|', StringSplitOptions.RemoveEmptyEntries)
        .Select(s => s.Split(':')).Select(s => (int.Parse(s[0]), int.Parse(s[1])))];

    public static IEnumerable<OperationCase> Sample(CaseRandom random)
    {
        for (var i = 0; i < 700; i++)
        {
            var self = random.Chance(0.6);
            var kvHeads = random.Pick(1, 1, 2, 3);
            var heads = kvHeads * random.Pick(1, 1, 2, 4);
            var prefix = random.Pick(0, 0, 0, 1, 5, 17);
            var bias = random.Chance(0.2);
            yield return new AttentionCase(SampleLengths(random, self), heads, kvHeads,
                random.Pick(2, 4, 8, 16, 17, 24, 32, 64))
            {
                Family = Sizes.Family(random),
                Strided = random.Chance(0.3),
                Layout = !self ? HeadLayout.Separate
                    : heads == kvHeads ? random.Pick(HeadLayout.Separate, HeadLayout.Fused, HeadLayout.Interleaved)
                    : random.Pick(HeadLayout.Separate, HeadLayout.Fused),
                Causal = random.Chance(0.5),
                Window = random.Pick(0, 0, 0, 1, 3, 16),
                SoftCap = random.Chance(0.2) ? random.Pick(5.0, 50.0) : 0,
                Prefix = prefix,
                SharedPrefix = prefix > 0 && random.Chance(0.6),
                RelativeBias = bias,
                Bidirectional = bias && random.Chance(0.5),
                Dropout = random.Chance(0.2) ? random.Pick(0.1, 0.5) : 0,
                Gap = random.Pick(0, 0, 0, 1),
                OnlyPrefixGradients = prefix > 0 && random.Chance(0.2),
            };
        }
        foreach (var headDim in (int[])[42, 80, 96, 100, 128, 192, 256])
            foreach (var prefix in (int[])[0, 5])
                yield return new AttentionCase("67:67|9:70", 2, 1, headDim)
                {
                    Causal = headDim % 32 == 0,
                    Window = prefix > 0 ? 0 : 40,
                    Prefix = prefix,
                    Layout = HeadLayout.Separate,
                };
        yield return new AttentionCase("1:700|3:5", 2, 1, 16) { Causal = true, Prefix = 3 };
        foreach (var (buckets, distance) in FewBuckets)
            foreach (var bidirectional in (bool[])[false, true])
                yield return new AttentionCase("33:33|1:40|7:3", 2, 2, 8)
                {
                    Causal = !bidirectional,
                    Prefix = bidirectional ? 0 : 5,
                    RelativeBias = true,
                    Bidirectional = bidirectional,
                    Buckets = buckets,
                    MaxDistance = distance,
                };
        foreach (var headDim in (int[])[20, 64, 128])
            foreach (var prefix in (int[])[0, 5])
                yield return new AttentionCase("1:70|1:0|0:3|1:16|1:33", 6, 2, headDim) { Window = prefix > 0 ? 0 : 40,
                    Prefix = prefix, Gap = 1 };
    }

    internal override void Execute(CaseRun run)
    {
        var rows = Gap + Sequences.Sum(s => s.Queries + Gap);
        var keyRows = Gap + Sequences.Sum(s => s.Keys + Gap);
        var inputs = Heads3(rows, keyRows, (name, r, c) => run.Input(name, r, c, Spread.Narrow));
        var prefixRows = SharedPrefix ? Prefix : Prefix * Math.Max(1, Sequences.Length - 1);
        var op = new AttentionOp
        {
            Q = inputs.Q,
            K = inputs.K,
            V = inputs.V,
            PrefixK = Prefix > 0 ? run.Parameter("prefix k", prefixRows, KvHeads * HeadDim, Spread.Narrow) : default,
            PrefixV = Prefix > 0 ? run.Parameter("prefix v", prefixRows, KvHeads * HeadDim, Spread.Narrow) : default,
            Segments = Segments(run),
            Heads = Heads,
            KvHeads = KvHeads,
            HeadDim = HeadDim,
            HeadStride = HeadStride,
            KvHeadStride = HeadStride,
            Scale = 1 / Math.Sqrt(HeadDim),
            Causal = Causal,
            Window = Window,
            SoftCap = SoftCap,
            RelativeBias = RelativeBias ? run.Parameter("relative bias", BucketCount, Heads, Spread.Narrow) : default,
            RelativeMaxDistance = MaxDistance > 0 ? MaxDistance : 20,
            RelativeBidirectional = Bidirectional,
            Dropout = run.Mask("mask", Dropout),
            Y = run.Output("y", rows, Heads * HeadDim),
            LogSumExp = run.Statistic("log-sum-exp", rows, Heads, Match.CloseWhereFinite),
        };
        run.Backend.Forward(op);
        Backward(run, op, rows, keyRows, prefixRows);
    }

    private int HeadStride => Layout == HeadLayout.Interleaved ? 3 * HeadDim : HeadDim;

    private void Backward(CaseRun run, in AttentionOp op, int rows, int keyRows, int prefixRows)
    {
        var d = OnlyPrefixGradients
            ? default
            : Heads3(rows, keyRows, (name, r, c) => run.Output("d" + name, r, c));
        var dy = run.Input("dy", rows, Heads * HeadDim, Spread.Narrow);
        var gradients = new AttentionGradients
        {
            DY = dy,
            DQ = d.Q,
            DK = d.K,
            DV = d.V,
            DPrefixK = Prefix > 0 ? run.Sum("dprefix k", prefixRows, KvHeads * HeadDim) : default,
            DPrefixV = Prefix > 0 ? run.Sum("dprefix v", prefixRows, KvHeads * HeadDim) : default,
            DRelativeBias = RelativeBias ? run.Sum("drelative bias", BucketCount, Heads) : default,
            Delta = run.Scratch(run.Backend.ParameterType, rows, Heads),
        };
        AllowCancellation(run, op, gradients);
        run.Backend.Backward(op, gradients);
    }

    // Where one key has nearly all the probability, dP - delta is a small difference of larger numbers.
    private void AllowCancellation(CaseRun run, in AttentionOp op, in AttentionGradients gradients)
    {
        double Largest(params ReadOnlySpan<Tensor> tensors)
        {
            var largest = 0.0;
            foreach (var tensor in tensors)
                if (tensor.IsPresent) largest = Math.Max(largest, run.Largest(tensor));
            return largest;
        }
        var slope = Math.Sqrt(HeadDim) * run.Largest(gradients.DY) * Largest(op.V, op.PrefixV);
        var product = op.Scale * slope * Largest(op.Q, op.K, op.PrefixK);
        if (gradients.DQ.IsPresent) run.AllowNoise(gradients.DQ, _ => product);
        if (gradients.DK.IsPresent) run.AllowNoise(gradients.DK, _ => product);
        if (gradients.DPrefixK.IsPresent) run.AllowNoise(gradients.DPrefixK, _ => product);
        if (gradients.DRelativeBias.IsPresent) run.AllowNoise(gradients.DRelativeBias, _ => slope);
    }

    /// <summary>Queries, keys and values of a layout, in matrices that <paramref name="make"/> makes.</summary>
    private (Tensor Q, Tensor K, Tensor V) Heads3(int rows, int keyRows, Func<string, int, int, Tensor> make)
    {
        var (q, kv) = (Heads * HeadDim, KvHeads * HeadDim);
        if (Layout == HeadLayout.Separate) return (make("q", rows, q), make("k", keyRows, kv), make("v", keyRows, kv));
        var all = make("qkv", rows, q + 2 * kv);
        if (Layout == HeadLayout.Fused) return (all.Slice(0, q), all.Slice(q, kv), all.Slice(q + kv, kv));
        var width = all.Columns - 2 * HeadDim; // from the first to the last head of one kind
        return (all.Slice(0, width), all.Slice(HeadDim, width), all.Slice(2 * HeadDim, width));
    }

    private Tensor Segments(CaseRun run)
    {
        List<int> values = [];
        var (query, key) = (Gap, Gap);
        for (var s = 0; s < Sequences.Length; s++)
        {
            var (queries, keys) = Sequences[s];
            var own = s > 0 || Sequences.Length == 1;
            var prefix = SharedPrefix || own ? Prefix : 0;
            values.AddRange([query, queries, key, keys, SharedPrefix ? 0 : Math.Max(0, s - 1) * Prefix, prefix]);
            query += queries + Gap;
            key += keys + Gap;
        }
        return run.Integers("segments", Sequences.Length, 6, i => values[i]);
    }

    private static string SampleLengths(CaseRandom random, bool self)
    {
        var sequences = random.Pick(1, 1, 2, 3, 5);
        return string.Join('|', Enumerable.Range(0, sequences).Select(_ =>
        {
            var queries = random.Pick(0, 1, 2, 3, 5, 7, 13, 15, 16, 17, 33);
            var keys = self ? queries : random.Pick(0, 1, 2, 7, 16, 17, 31, 33, 49);
            return $"{queries}:{keys}";
        }));
    }
}
