using PeftNative.Models.Config;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Models.Layers;

/// <summary>The linear layers and norms of a feed-forward sub-block.</summary>
/// <param name="Norm">Norm of the sub-block, or null.</param>
/// <param name="PostNorm">Second norm, or null.</param>
/// <param name="Gate">Gate projection, or null.</param>
/// <param name="Up">Up projection, or gate and up in one.</param>
/// <param name="Down">Down projection.</param>
internal sealed record FeedForwardParts(NormSite? Norm, NormSite? PostNorm, LinearSite? Gate, LinearSite Up,
    LinearSite Down);

/// <summary>down(f(up(x))), or gated: down(f(gate(x)) ⊙ up(x)), with gate and up apart or in one projection.</summary>
internal sealed class FeedForwardBlock(TransformerConfig config, SubBlockPlace place, FeedForwardParts parts)
    : SubBlock(place, config.NormPlacement, config.ResidualScale, parts.Norm, parts.PostNorm)
{
    private readonly LinearSite? gate = parts.Gate;
    private readonly LinearSite up = parts.Up;

    private bool IsFused => up.Out == 2 * config.FeedForwardSize;

    internal override IEnumerable<LinearSite> Sites => gate is null ? [up, parts.Down] : [gate, up, parts.Down];

    internal override SubBlockState NewState() => new State();

    protected override void BodyForward(Pass pass, SubBlockState state, in Tensor x, in Tensor y, in Tensor residual)
    {
        var s = (State)state;
        var (upOutput, inner, upper) = Split(pass, x.Rows);
        up.Forward(pass, s.Up, x, upOutput);
        gate?.Forward(pass, s.Gate, x, inner);
        s.Op = new GateOp
        {
            X = inner, Up = upper, Activation = config.Activation,
            Y = pass.Memory.NewTransient(x.Rows, config.FeedForwardSize),
        };
        pass.Backend.Forward(s.Op);
        parts.Down.Forward(pass, s.Down, s.Op.Y, y, residual);
    }

    protected override void BodyBackward(Pass pass, SubBlockState state, in Tensor dy, in Tensor dx, bool accumulate)
    {
        var s = (State)state;
        var isNeeded = dx.IsPresent || up.IsTrained(pass) || (gate?.IsTrained(pass) ?? false);
        var mark = pass.Memory.Arena.Mark();
        var dHidden = isNeeded ? pass.Memory.NewActivation(dy.Rows, config.FeedForwardSize) : default;
        pass.Memory.TakeAgain(s.Op.Y);
        if (parts.Down.IsTrained(pass)) pass.Backend.Forward(s.Op);
        parts.Down.Backward(pass, s.Down, dy, dHidden, accumulate: false);
        if (isNeeded)
        {
            var (dUpOutput, dInner, dUpper) = Split(pass, dy.Rows);
            pass.Backend.Backward(s.Op, new GateGradients { DY = dHidden, DX = dInner, DUp = dUpper });
            up.Backward(pass, s.Up, dUpOutput, dx, accumulate);
            gate?.Backward(pass, s.Gate, dInner, dx, accumulate: true);
        }
        pass.Memory.Arena.Release(mark);
    }

    /// <summary>
    /// The up projection's output, the activation's input, and the second factor of the gate (absent without one).
    /// </summary>
    private (Tensor UpOutput, Tensor Inner, Tensor Upper) Split(Pass pass, int rows)
    {
        var f = config.FeedForwardSize;
        var output = pass.Memory.NewActivation(rows, up.Out);
        if (IsFused) return (output, output.Slice(0, f), output.Slice(f, f));
        return gate is null ? (output, output, default) : (output, pass.Memory.NewActivation(rows, f), output);
    }

    private sealed class State : SubBlockState
    {
        internal LinearState Gate { get; } = new();
        internal LinearState Up { get; } = new();
        internal LinearState Down { get; } = new();
        internal GateOp Op { get; set; }
    }
}
