using PeftNative.Models.Config;
using PeftNative.Models.Weights;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Models.Layers;

/// <summary>The linear layers and norms of an attention sub-block.</summary>
/// <param name="Norm">Norm of the sub-block, or null.</param>
/// <param name="PostNorm">Second norm, or null.</param>
/// <param name="Inputs">Query, key and value projections, or one for all three.</param>
/// <param name="Output">Output projection.</param>
/// <param name="QueryNorm">Norm of each query head, or null.</param>
/// <param name="KeyNorm">Norm of each key head, or null.</param>
/// <param name="RelativeBias">Relative position bias [buckets, heads], shared by the layers of a stack, or
/// null.</param>
internal sealed record AttentionParts(
    NormSite? Norm, NormSite? PostNorm, LinearSite[] Inputs, LinearSite Output, NormSite? QueryNorm, NormSite? KeyNorm,
    Parameter? RelativeBias);

/// <summary>Multi-head attention: projections, head norms, rotary positions, attention, output projection.</summary>
internal sealed class AttentionBlock(TransformerConfig config, SubBlockPlace place, AttentionParts parts,
    bool fusedByHead)
    : SubBlock(place, config.NormPlacement, config.ResidualScale, parts.Norm, parts.PostNorm)
{
    private readonly int layer = place.Layer;
    private readonly LayerPlan plan = config.Layers[place.Layer];
    private readonly int headStride = fusedByHead ? 3 * config.HeadDim : config.HeadDim;
    private readonly LinearSite[] inputs = parts.Inputs;

    private bool IsFused => inputs.Length == 1;

    internal override IEnumerable<LinearSite> Sites => [.. inputs, parts.Output];

    internal override SubBlockState NewState() => new State(inputs.Length);

    protected override bool TrainsOthers(Pass pass) =>
        pass.Rows.Stream.Prefix is not null || parts.QueryNorm?.IsTrained(pass) == true
        || parts.KeyNorm?.IsTrained(pass) == true || pass.Adapters.IsTrained(parts.RelativeBias);

    protected override void BodyForward(Pass pass, SubBlockState state, in Tensor x, in Tensor y, in Tensor residual)
    {
        var s = (State)state;
        var projected = Split(pass, x.Rows);
        for (var i = 0; i < inputs.Length; i++) inputs[i].Forward(pass, s.Inputs[i], x, projected[i]);
        var q = HeadsForward(pass, parts.QueryNorm, s.QueryNorm, projected.Q, config.HeadCount);
        var k = HeadsForward(pass, parts.KeyNorm, s.KeyNorm, projected.K, config.KvHeadCount);
        var cache = pass.Rows.Stream.Cache;
        var (keys, values) = cache?.Append(pass.Rows.Stream, layer, k, projected.V, headStride) ?? (k, projected.V);
        var prefix = pass.Rows.Stream.Prefix?.At(layer) ?? default;
        s.Op = new AttentionOp
        {
            Q = q, K = keys, V = values, PrefixK = prefix.Keys, PrefixV = prefix.Values,
            Segments = pass.Rows.Stream.Segments,
            Heads = config.HeadCount, KvHeads = config.KvHeadCount, HeadDim = config.HeadDim,
            HeadStride = headStride, KvHeadStride = cache is not null
                ? config.HeadDim : headStride, Scale = plan.AttentionScale, Causal = config.Causal,
            Window = plan.Window, SoftCap = config.AttentionSoftCap,
            RelativeBias = pass.Adapters.Resolve(parts.RelativeBias)?.Value ?? default,
            RelativeMaxDistance = config.RelativeMaxDistance, RelativeBidirectional = !config.Causal,
            Y = pass.Memory.NewActivation(x.Rows, config.QuerySize),
            LogSumExp = pass.Memory.NewStatistic(x.Rows, config.HeadCount),
        };
        pass.Backend.Forward(s.Op);
        parts.Output.Forward(pass, s.Output, s.Op.Y, y, residual);
    }

    protected override void BodyBackward(Pass pass, SubBlockState state, in Tensor dy, in Tensor dx, bool accumulate)
    {
        var s = (State)state;
        var mark = pass.Memory.Arena.Mark();
        var dAttention = pass.Memory.Arena.Allocate(pass.Memory.Type, dy.Rows, config.QuerySize);
        parts.Output.Backward(pass, s.Output, dy, dAttention, accumulate: false);

        var d = Split(pass, dy.Rows);
        var prefix = pass.Rows.Stream.Prefix?.GradientAt(layer) ?? default;
        var needed = NeededInputs(pass, dx.IsPresent);
        pass.Backend.Backward(s.Op, new AttentionGradients
        {
            DY = dAttention, DQ = needed.Q ? d.Q : default, DK = needed.K
                ? d.K : default, DV = needed.V ? d.V : default,
            DPrefixK = prefix.Keys, DPrefixV = prefix.Values,
            DRelativeBias = pass.Adapters.Resolve(parts.RelativeBias)?.Gradient ?? default,
            Delta = pass.Memory.NewStatistic(dy.Rows, config.HeadCount),
        });
        if (needed.Q) HeadsBackward(pass, parts.QueryNorm, s.QueryNorm, d.Q, config.HeadCount);
        if (needed.K) HeadsBackward(pass, parts.KeyNorm, s.KeyNorm, d.K, config.KvHeadCount);
        for (var i = 0; i < inputs.Length; i++) inputs[i].Backward(pass, s.Inputs[i], d[i], dx, accumulate || i > 0);
        pass.Memory.Arena.Release(mark);
    }

    // In the lowest trained sub-block nobody asks for the input's gradient, so frozen projections need none of their
    // output.
    private (bool Q, bool K, bool V) NeededInputs(Pass pass, bool needsInput)
    {
        if (IsFused || needsInput) return (true, true, true);
        return (inputs[0].IsTrained(pass) || parts.QueryNorm?.IsTrained(pass) == true,
            inputs[1].IsTrained(pass) || parts.KeyNorm?.IsTrained(pass) == true, inputs[2].IsTrained(pass));
    }

    private Projections Split(Pass pass, int rows)
    {
        int q = config.QuerySize, kv = config.KvSize, h = config.HeadDim;
        var memory = pass.Memory;
        if (!IsFused)
            return new Projections(
                default, memory.NewActivation(rows, q), memory.NewActivation(rows, kv), memory.NewActivation(rows, kv));
        var whole = memory.NewActivation(rows, q + 2 * kv);
        return fusedByHead
            ? new Projections(whole, whole.Slice(0, whole.Columns - 2 * h), whole.Slice(h, whole.Columns - 2 * h),
                whole.Slice(2 * h, whole.Columns - 2 * h))
            : new Projections(whole, whole.Slice(0, q), whole.Slice(q, kv), whole.Slice(q + kv, kv));
    }

    // The rotation takes place where its input is, the norm does not.
    private Tensor HeadsForward(Pass pass, NormSite? norm, NormState state, in Tensor x, int heads)
    {
        var y = norm is null ? x : pass.Memory.NewActivation(x.Rows, x.Columns);
        if (!config.NormalizesRotatedHeads) norm?.Forward(pass, state, x, y);
        if (plan.Rope is { } rope)
            pass.Backend.Forward(Rotation(pass, rope, config.NormalizesRotatedHeads ? x : y, heads));
        if (config.NormalizesRotatedHeads) norm?.Forward(pass, state, x, y);
        return y;
    }

    private void HeadsBackward(Pass pass, NormSite? norm, NormState state, in Tensor d, int heads)
    {
        if (config.NormalizesRotatedHeads) norm?.Backward(pass, state, d, d, accumulate: false);
        if (plan.Rope is { } rope) pass.Backend.Backward(Rotation(pass, rope, d, heads));
        if (!config.NormalizesRotatedHeads) norm?.Backward(pass, state, d, d, accumulate: false);
    }

    private RopeOp Rotation(Pass pass, RopeSettings rope, in Tensor x, int heads)
    {
        var (cos, sin) = pass.Rows.Rope(rope);
        return new RopeOp
        {
            X = x, Heads = heads, HeadStride = headStride, Positions = pass.Rows.Stream.Positions, Cos = cos, Sin = sin,
        };
    }

    /// <summary>Outputs of the projections: one for all, or one each, and the heads' views of them.</summary>
    private readonly record struct Projections(Tensor Whole, Tensor Q, Tensor K, Tensor V)
    {
        internal Tensor this[int input] => Whole.IsPresent ? Whole : input switch { 0 => Q, 1 => K, _ => V };
    }

    private sealed class State(int inputs) : SubBlockState
    {
        internal LinearState[] Inputs { get; } = [.. Enumerable.Range(0, inputs).Select(_ => new LinearState())];
        internal LinearState Output { get; } = new();
        internal NormState QueryNorm { get; } = new();
        internal NormState KeyNorm { get; } = new();
        internal AttentionOp Op { get; set; }
    }
}
