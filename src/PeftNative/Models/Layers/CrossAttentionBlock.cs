using PeftNative.Models.Config;
using PeftNative.Models.Steps;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Models.Layers;

/// <summary>The linear layers and the norm of a decoder's attention to its encoder.</summary>
/// <param name="Norm">Norm of the sub-block.</param>
/// <param name="Query">Query projection, of the decoder's stream.</param>
/// <param name="Key">Key projection, of what the encoder has made.</param>
/// <param name="Value">Value projection, likewise.</param>
/// <param name="Output">Output projection.</param>
internal sealed record CrossAttentionParts(NormSite Norm, LinearSite Query, LinearSite Key, LinearSite Value,
    LinearSite Output);

/// <summary>
/// Attention whose queries come from the decoder's stream and whose keys and values come from
/// <see cref="StepRows.EncoderOutput"/>, all of it visible, without positions. A cache keeps the keys and values, which
/// stay the same from token to token.
/// </summary>
internal sealed class CrossAttentionBlock(TransformerConfig config, SubBlockPlace place, CrossAttentionParts parts)
    : SubBlock(place, config.NormPlacement, config.ResidualScale, parts.Norm, postNorm: null)
{
    internal override IEnumerable<LinearSite> Sites => [parts.Query, parts.Key, parts.Value, parts.Output];

    internal override SubBlockState NewState() => new State();

    protected override void BodyForward(Pass pass, SubBlockState state, in Tensor x, in Tensor y, in Tensor residual)
    {
        var s = (State)state;
        var q = pass.Memory.NewActivation(x.Rows, config.QuerySize);
        parts.Query.Forward(pass, s.Query, x, q);
        var (keys, values) = KeysAndValues(pass, s);
        s.Op = new AttentionOp
        {
            Q = q, K = keys, V = values, Segments = pass.Rows.CrossSegments,
            Heads = config.HeadCount, KvHeads = config.KvHeadCount, HeadDim = config.HeadDim,
            HeadStride = config.HeadDim, KvHeadStride = config.HeadDim,
            Scale = config.Layers[Place.Layer].AttentionScale,
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
        var dAttention = pass.Memory.NewActivation(dy.Rows, config.QuerySize);
        parts.Output.Backward(pass, s.Output, dy, dAttention, accumulate: false);

        // The encoder's share is summed over the decoder's layers.
        var (dEncoder, rows) = (pass.Rows.EncoderGradient, pass.Rows.EncoderOutput.Rows);
        var dq = New(dx.IsPresent || parts.Query.IsTrained(pass), dy.Rows, config.QuerySize);
        var dk = New(dEncoder.IsPresent || parts.Key.IsTrained(pass), rows, config.KvSize);
        var dv = New(dEncoder.IsPresent || parts.Value.IsTrained(pass), rows, config.KvSize);
        pass.Backend.Backward(s.Op, new AttentionGradients
        {
            DY = dAttention, DQ = dq, DK = dk, DV = dv, Delta = pass.Memory.NewStatistic(dy.Rows, config.HeadCount),
        });
        if (dq.IsPresent) parts.Query.Backward(pass, s.Query, dq, dx, accumulate);
        if (dk.IsPresent) parts.Key.Backward(pass, s.Key, dk, dEncoder, accumulate: true);
        if (dv.IsPresent) parts.Value.Backward(pass, s.Value, dv, dEncoder, accumulate: true);
        pass.Memory.Arena.Release(mark);

        Tensor New(bool isNeeded, int rows, int columns) =>
            isNeeded ? pass.Memory.NewActivation(rows, columns) : default;
    }

    private (Tensor Keys, Tensor Values) KeysAndValues(Pass pass, State s)
    {
        if (!pass.Rows.EncoderOutput.IsPresent) return pass.Rows.Cache!.Crossed(Place.Layer);
        var rows = pass.Rows.EncoderOutput.Rows;
        var (keys, values) = pass.Rows.Cache?.NewCrossed(Place.Layer, rows)
            ?? (pass.Memory.NewActivation(rows, config.KvSize), pass.Memory.NewActivation(rows, config.KvSize));
        // These rows are the encoder's, which matters to adapters that differ from sequence to sequence.
        pass.Rows.Enter(pass.Rows.Source!);
        parts.Key.Forward(pass, s.Key, pass.Rows.EncoderOutput, keys);
        parts.Value.Forward(pass, s.Value, pass.Rows.EncoderOutput, values);
        pass.Rows.Enter(pass.Rows.Target);
        return (keys, values);
    }

    private sealed class State : SubBlockState
    {
        internal LinearState Query { get; } = new();
        internal LinearState Key { get; } = new();
        internal LinearState Value { get; } = new();
        internal LinearState Output { get; } = new();
        internal AttentionOp Op { get; set; }
    }
}
