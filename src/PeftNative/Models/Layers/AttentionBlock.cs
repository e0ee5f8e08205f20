using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Models;

/// <summary>Multi-head attention: projections (apart, or query, key and value in one), rotary positions, attention, output projection.</summary>
internal sealed class AttentionBlock(
    TransformerConfig config, int layer, NormSite norm, LinearSite[] inputs, LinearSite output)
    : SubBlock(2 * layer, config.NormPlacement, norm)
{
    private readonly double scale = config.ScaleAttentionByLayer ? config.AttentionScale / (layer + 1) : config.AttentionScale;

    private bool IsFused => inputs.Length == 1;

    internal override IEnumerable<LinearSite> Sites => [.. inputs, output];

    internal override SubBlockState NewState() => new State(inputs.Length);

    protected override bool IsTrainedInside(Pass pass) => base.IsTrainedInside(pass) || (pass.Prefix?.GradientAt(layer).Keys.IsPresent ?? false);

    protected override void BodyForward(Pass pass, SubBlockState state, in Tensor x, in Tensor y, in Tensor residual)
    {
        var s = (State)state;
        (s.Whole, s.Q, s.K, s.V) = Split(pass, x.Rows);
        Span<Tensor> parts = IsFused ? [s.Whole] : [s.Q, s.K, s.V];
        for (var i = 0; i < inputs.Length; i++) inputs[i].Forward(pass, s.Inputs[i], x, parts[i]);
        if (config.Rope is not null)
        {
            pass.Backend.Forward(Rope(pass, s.Q, config.HeadCount));
            pass.Backend.Forward(Rope(pass, s.K, config.KvHeadCount));
        }
        var (keys, values) = pass.Cache?.Append(pass, layer, s.K, s.V) ?? (s.K, s.V);
        var prefix = pass.Prefix?.At(layer) ?? default;
        s.Op = new AttentionOp
        {
            Q = s.Q, K = keys, V = values, PrefixK = prefix.Keys, PrefixV = prefix.Values, Segments = pass.Segments,
            Heads = config.HeadCount, KvHeads = config.KvHeadCount, HeadDim = config.HeadDim,
            HeadStride = config.HeadDim, KvHeadStride = config.HeadDim, Scale = scale, Causal = config.Causal,
            Y = pass.NewActivation(x.Rows, config.QuerySize), LogSumExp = pass.NewActivation(x.Rows, config.HeadCount),
        };
        pass.Backend.Forward(s.Op);
        output.Forward(pass, s.Output, s.Op.Y, y, residual);
    }

    protected override void BodyBackward(Pass pass, SubBlockState state, in Tensor dy, in Tensor dx, bool accumulate)
    {
        var s = (State)state;
        var mark = pass.Arena.Mark();
        var dAttention = pass.Arena.Allocate(pass.Type, dy.Rows, config.QuerySize);
        output.Backward(pass, s.Output, dy, dAttention, accumulate: false);

        var (whole, dq, dk, dv) = Split(pass, dy.Rows);
        var prefix = pass.Prefix?.GradientAt(layer) ?? default;
        var needed = NeededInputs(pass, dx.IsPresent);
        pass.Backend.Backward(s.Op, new AttentionGradients
        {
            DY = dAttention, DQ = needed.Q ? dq : default, DK = needed.K ? dk : default, DV = needed.V ? dv : default,
            DPrefixK = prefix.Keys, DPrefixV = prefix.Values, Delta = pass.Arena.Allocate(pass.Type, dy.Rows, config.HeadCount),
        });
        if (config.Rope is not null)
        {
            if (needed.Q) pass.Backend.Backward(Rope(pass, dq, config.HeadCount));
            if (needed.K) pass.Backend.Backward(Rope(pass, dk, config.KvHeadCount));
        }
        Span<Tensor> parts = IsFused ? [whole] : [dq, dk, dv];
        for (var i = 0; i < inputs.Length; i++)
            inputs[i].Backward(pass, s.Inputs[i], parts[i], dx, accumulate || i > 0);
        pass.Arena.Release(mark);
    }

    // In the lowest trained sub-block nobody asks for the input's gradient, so frozen projections need none of their output.
    private (bool Q, bool K, bool V) NeededInputs(Pass pass, bool needsInput)
    {
        if (IsFused || needsInput) return (true, true, true);
        return (inputs[0].IsTrained(pass), inputs[1].IsTrained(pass), inputs[2].IsTrained(pass));
    }

    private (Tensor Whole, Tensor Q, Tensor K, Tensor V) Split(Pass pass, int rows)
    {
        int q = config.QuerySize, kv = config.KvSize;
        if (!IsFused) return (default, pass.NewActivation(rows, q), pass.NewActivation(rows, kv), pass.NewActivation(rows, kv));
        var whole = pass.NewActivation(rows, q + 2 * kv);
        return (whole, whole.Slice(0, q), whole.Slice(q, kv), whole.Slice(q + kv, kv));
    }

    private RopeOp Rope(Pass pass, in Tensor x, int heads) => new()
    {
        X = x, Heads = heads, HeadStride = config.HeadDim, Positions = pass.Positions, Cos = pass.RopeCos, Sin = pass.RopeSin,
    };

    private sealed class State(int inputs) : SubBlockState
    {
        internal LinearState[] Inputs { get; } = [.. Enumerable.Range(0, inputs).Select(_ => new LinearState())];
        internal LinearState Output { get; } = new();
        internal Tensor Whole { get; set; }
        internal Tensor Q { get; set; }
        internal Tensor K { get; set; }
        internal Tensor V { get; set; }
        internal AttentionOp Op { get; set; }
    }
}
