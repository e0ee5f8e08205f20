using PeftNative.Ops;
using Xunit;

namespace PeftNative.Tests.Ops;

/// <summary>Every backward of every operation against finite differences, in fp64.</summary>
public sealed class GradientTests
{
    private static readonly DropoutMask Half = new(0.5f, 0x123456789abcdef0, 0xfedcba9876543210);

    [Theory]
    [InlineData(false, false, false)]
    [InlineData(false, true, true)]
    [InlineData(true, false, true)]
    [InlineData(true, true, false)]
    public void Linear_with_every_option(bool scaleBeforeBias, bool dropout, bool accumulate)
    {
        using var f = new FiniteDifferences();
        const int M = 5, K = 4, N = 3;
        LowRankPair Pair(string name, int start, int count, int r)
        {
            var (a, b) = (f.Random(r, K), f.Random(N, r));
            return new LowRankPair
            {
                A = a, B = b, Scale = 0.7, RowStart = start, RowCount = count, S = f.Zeros(count, r),
                Dropout = dropout ? Half : default, DroppedX = dropout ? f.Zeros(count, K) : default,
                GradA = f.Sum(name + " a", a), GradB = f.Sum(name + " b", b),
            };
        }
        var op = new LinearOp
        {
            X = f.Random(M, K), W = f.Random(N, K), Bias = f.Random(1, N),
            LowRank = [Pair("first", 0, M, 2), Pair("second", 1, 3, 3)],
            LowRankCount = 2, InputScale = f.Random(1, K), OutputScale = f.Random(1, N),
            ScaleBeforeBias = scaleBeforeBias,
            PreScale = f.Zeros(M, N), Residual = f.Random(M, N), Y = f.Zeros(M, N),
        };
        var dy = f.Random(M, N);
        f.Watch("residual", op.Residual, dy);
        f.Backend.Forward(op);
        f.Backend.Backward(op, new LinearGradients
        {
            DY = dy, DX = accumulate ? f.Sum("x", op.X) : f.Overwritten("x", op.X), AccumulateDX = accumulate,
            DW = f.Sum("w", op.W), DBias = f.Sum("bias", op.Bias), DInputScale = f.Sum("input scale", op.InputScale),
            DOutputScale = f.Sum("output scale", op.OutputScale), Scratch = f.Zeros(1, M * (N + K + 3)),
        });
        f.Check(() =>
        {
            f.Backend.Forward(op);
            return FiniteDifferences.Weighted(op.Y, dy);
        });
    }

    [Theory]
    [InlineData(Activation.Relu)]
    [InlineData(Activation.Gelu)]
    [InlineData(Activation.Tanh)]
    public void Bottleneck_with_every_option(Activation activation)
    {
        using var f = new FiniteDifferences();
        const int M = 4, D = 5, B = 3;
        var op = new BottleneckOp
        {
            X = f.Random(M, D), DownWeight = f.Random(B, D), DownBias = f.Random(1, B), Activation = activation,
            UpWeight = f.Random(D, B),
            UpBias = f.Random(1, D), OutputScale = f.Random(1, D), Residual = f.Random(M, D),
            Down = f.Zeros(M, B), Inner = f.Zeros(M, B), PreScale = f.Zeros(M, D), Y = f.Zeros(M, D),
        };
        var dy = f.Random(M, D);
        f.Watch("residual", op.Residual, dy);
        f.Backend.Forward(op);
        f.Backend.Backward(op, new BottleneckGradients
        {
            DY = dy, DX = f.Overwritten("x", op.X), DDownWeight = f.Sum("down weight", op.DownWeight),
            DDownBias = f.Sum("down bias", op.DownBias),
            DUpWeight = f.Sum("up weight", op.UpWeight), DUpBias = f.Sum("up bias", op.UpBias),
            DOutputScale = f.Sum("output scale", op.OutputScale), Scratch = f.Zeros(1, M * (D + 2 * B)),
        });
        f.Check(() =>
        {
            f.Backend.Forward(op);
            return FiniteDifferences.Weighted(op.Y, dy);
        });
    }

    [Fact]
    public void Dora_scale_with_a_constant_norm()
    {
        using var f = new FiniteDifferences();
        var op = new DoraScaleOp
        {
            W = f.Random(3, 4), A = f.Random(2, 4), B = f.Random(3, 2), Scale = 0.7, Magnitude = f.Random(1, 3),
            Norm = f.Zeros(1, 3), G = f.Zeros(1, 3),
        };
        var dg = f.Random(1, 3);
        f.Backend.Forward(op);
        f.Backend.Backward(op, new DoraScaleGradients { DG = dg, DMagnitude = f.Sum("magnitude", op.Magnitude) });
        f.Check(() =>
        {
            f.Backend.Forward(op);
            return FiniteDifferences.Weighted(op.G, dg);
        });
    }

    [Fact]
    public void Embedding_with_every_table()
    {
        using var f = new FiniteDifferences();
        const int D = 3;
        var op = new EmbeddingOp
        {
            Tokens = f.Integers(1, 2, -1, 0, 2, -2, 2), Positions = f.Integers(1, 0, 1, 2, 3, 0, 1),
            Types = f.Integers(1, 0, 1, 1, 0, 0, 1),
            Table = f.Random(4, D), PositionTable = f.Random(4, D), TypeTable = f.Random(2, D),
            Virtual = f.Random(2, D), TokenScale = 1.7,
            A = f.Random(2, 4), B = f.Random(D, 2), LowRankScale = 0.6, Y = f.Zeros(6, D),
        };
        var dy = f.Random(6, D);
        f.Backend.Backward(op, new EmbeddingGradients
        {
            DY = dy, DTable = f.Sum("table", op.Table), DPositionTable = f.Sum("position table", op.PositionTable),
            DTypeTable = f.Sum("type table", op.TypeTable), DVirtual = f.Sum("virtual", op.Virtual),
            DA = f.Sum("a", op.A), DB = f.Sum("b", op.B),
        });
        f.Check(() =>
        {
            f.Backend.Forward(op);
            return FiniteDifferences.Weighted(op.Y, dy);
        });
    }

    [Theory]
    [InlineData(NormKind.LayerNorm, 1, false)]
    [InlineData(NormKind.LayerNorm, 2, true)]
    [InlineData(NormKind.RmsNorm, 1, true)]
    [InlineData(NormKind.RmsNorm, 3, false)]
    public void Norm_over_groups(NormKind kind, int groups, bool accumulate)
    {
        using var f = new FiniteDifferences();
        const int M = 3, D = 5;
        var op = new NormOp
        {
            X = f.Random(M, groups * D), Gamma = f.Random(1, D), Beta = f.Random(1, D), Kind = kind,
            Epsilon = 1e-3, GammaOffset = 1,
            Groups = groups, Mean = f.Zeros(M, groups), Rstd = f.Zeros(M, groups), Y = f.Zeros(M, groups * D),
        };
        var dy = f.Random(M, groups * D);
        f.Backend.Forward(op);
        f.Backend.Backward(op, new NormGradients
        {
            DY = dy, DX = accumulate ? f.Sum("x", op.X) : f.Overwritten("x", op.X), AccumulateDX = accumulate,
            DGamma = f.Sum("gamma", op.Gamma), DBeta = f.Sum("beta", op.Beta),
        });
        f.Check(() =>
        {
            f.Backend.Forward(op);
            return FiniteDifferences.Weighted(op.Y, dy);
        });
    }

    [Fact]
    public void Rotary_embedding()
    {
        using var f = new FiniteDifferences();
        var x = f.Random(3, 12);
        var turned = f.Zeros(3, 12);
        var op = new RopeOp
        {
            X = turned, Heads = 2, HeadStride = 6, Positions = f.Integers(1, 0, 2, 1), Cos = f.Random(3, 2),
            Sin = f.Random(3, 2),
        };
        var dy = f.Random(3, 12);
        var dx = f.Zeros(3, 12);
        f.Backend.Copy(dy, dx);
        f.Backend.Backward(op with { X = dx });
        f.Watch("x", x, dx);
        f.Check(() =>
        {
            f.Backend.Copy(x, turned);
            f.Backend.Forward(op);
            return FiniteDifferences.Weighted(turned, dy);
        });
    }

    public static TheoryData<bool, int, double, bool, bool, bool> AttentionOptions
    {
        get
        {
            var data = new TheoryData<bool, int, double, bool, bool, bool>();
            for (var i = 0; i < 64; i++)
                data.Add((i & 1) > 0, (i & 2) > 0 ? 2 : 0, (i & 4) > 0 ? 1.5 : 0,
                    (i & 8) > 0, (i & 16) > 0, (i & 32) > 0);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(AttentionOptions))]
    public void Attention_with_grouped_heads(bool causal, int window, double softCap, bool prefix, bool bias,
        bool dropout)
    {
        using var f = new FiniteDifferences();
        const int Heads = 4, KvHeads = 2, D = 3, M = 6, Mk = 8, P = 3;
        var op = new AttentionOp
        {
            Q = f.Random(M, Heads * D), K = f.Random(Mk, KvHeads * D), V = f.Random(Mk, KvHeads * D),
            PrefixK = prefix ? f.Random(P, KvHeads * D) : default,
            PrefixV = prefix ? f.Random(P, KvHeads * D) : default,
            // Four queries on three keys, none on one, one on one, one on three; the first has a prefix of its own.
            Segments = f.Integers(4, [
                0, 4, 0, 3, 0, prefix ? 1 : 0, 4, 0, 3, 1, 0, 0,
                4, 1, 4, 1, 1, prefix ? 2 : 0, 5, 1, 5, 3, 1, prefix ? 2 : 0]),
            Heads = Heads, KvHeads = KvHeads, HeadDim = D, HeadStride = D, KvHeadStride = D, Scale = 0.8,
            Causal = causal, Window = window,
            SoftCap = softCap, RelativeBias = bias ? f.Random(8, Heads) : default,
            RelativeMaxDistance = 4, RelativeBidirectional = !causal,
            Dropout = dropout ? Half : default, Y = f.Zeros(M, Heads * D), LogSumExp = f.Zeros(M, Heads),
        };
        var dy = f.Random(M, Heads * D);
        f.Backend.Forward(op);
        f.Backend.Backward(op, new AttentionGradients
        {
            DY = dy, DQ = f.Overwritten("q", op.Q), DK = f.Overwritten("k", op.K), DV = f.Overwritten("v", op.V),
            DPrefixK = prefix ? f.Sum("prefix k", op.PrefixK) : default,
            DPrefixV = prefix ? f.Sum("prefix v", op.PrefixV) : default,
            DRelativeBias = bias ? f.Sum("relative bias", op.RelativeBias) : default, Delta = f.Zeros(M, Heads),
        });
        f.Check(() =>
        {
            f.Backend.Forward(op);
            return FiniteDifferences.Weighted(op.Y, dy);
        });
    }

    public static TheoryData<Activation, bool> Activations =>
        [.. Enum.GetValues<Activation>().SelectMany(a => new (Activation, bool)[] { (a, false), (a, true) })];

    [Theory]
    [MemberData(nameof(Activations))]
    public void Gate(Activation activation, bool gated)
    {
        using var f = new FiniteDifferences();
        var up = gated ? f.Random(4, 5) : default;
        var op = new GateOp { X = f.Random(4, 5), Up = up, Activation = activation, Y = f.Zeros(4, 5) };
        var dy = f.Random(4, 5);
        f.Backend.Backward(op, new GateGradients
        {
            DY = dy, DX = f.Overwritten("x", op.X), DUp = gated ? f.Overwritten("up", op.Up) : default,
        });
        f.Check(() =>
        {
            f.Backend.Forward(op);
            return FiniteDifferences.Weighted(op.Y, dy);
        });
    }

    [Fact]
    public void Dropout_is_its_own_backward()
    {
        using var f = new FiniteDifferences();
        var op = new DropoutOp { X = f.Random(3, 7), Mask = Half, Y = f.Zeros(3, 7) };
        var dy = f.Random(3, 7);
        f.Backend.Forward(op with { X = dy, Y = f.Sum("x", op.X), Accumulate = true });
        f.Check(() =>
        {
            f.Backend.Forward(op);
            return FiniteDifferences.Weighted(op.Y, dy);
        });
    }

    [Fact]
    public void Gather_of_rows_picked_twice()
    {
        using var f = new FiniteDifferences();
        var op = new GatherOp { X = f.Random(4, 3), Rows = f.Integers(1, 2, 0, 2), Y = f.Zeros(3, 3) };
        var dy = f.Random(3, 3);
        f.Backend.Backward(op, new GatherGradients { DY = dy, DX = f.Sum("x", op.X) });
        f.Check(() =>
        {
            f.Backend.Forward(op);
            return FiniteDifferences.Weighted(op.Y, dy);
        });
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1.5)]
    public void Cross_entropy(double softCap)
    {
        using var f = new FiniteDifferences();
        var logits = f.Random(3, 5);
        var gradient = f.Zeros(3, 5);
        f.Backend.Copy(logits, gradient);
        var op = new CrossEntropyOp
        {
            Logits = logits, Labels = f.Integers(1, 4, 0, 2), Loss = f.Zeros(1, 3), GradientScale = 0.3,
            SoftCap = softCap,
        };
        f.Backend.Run(op with { Logits = gradient, Gradient = true });
        f.Watch("logits", logits, gradient);
        var weights = f.Filled(1, 3, 0.3);
        f.Check(() =>
        {
            f.Backend.Run(op);
            return FiniteDifferences.Weighted(op.Loss, weights);
        });
    }

    [Theory]
    [InlineData(RegressionLoss.MeanSquaredError)]
    [InlineData(RegressionLoss.BinaryCrossEntropy)]
    public void Regression_losses(RegressionLoss kind)
    {
        using var f = new FiniteDifferences();
        var logits = f.Random(3, 2);
        var gradient = f.Zeros(3, 2);
        f.Backend.Copy(logits, gradient);
        var op = new RegressionLossOp
        {
            Logits = logits, Targets = f.Random(3, 2), Kind = kind, Loss = f.Zeros(1, 3), GradientScale = 0.3,
        };
        f.Backend.Run(op with { Logits = gradient, Gradient = true });
        f.Watch("logits", logits, gradient);
        var weights = f.Filled(1, 3, 0.3);
        f.Check(() =>
        {
            f.Backend.Run(op);
            return FiniteDifferences.Weighted(op.Loss, weights);
        });
    }
}
