using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Models;

/// <summary>down(f(up(x))), or gated: down(f(gate(x)) ⊙ up(x)).</summary>
internal sealed class FeedForwardBlock(
    TransformerConfig config, int layer, NormSite norm, LinearSite? gate, LinearSite up, LinearSite down)
    : SubBlock(2 * layer + 1, config.NormPlacement, norm)
{
    internal override IEnumerable<LinearSite> Sites => gate is null ? [up, down] : [gate, up, down];

    internal override SubBlockState NewState() => new State();

    protected override void BodyForward(Pass pass, SubBlockState state, in Tensor x, in Tensor y, in Tensor residual)
    {
        var s = (State)state;
        var upper = pass.NewActivation(x.Rows, config.FeedForwardSize);
        up.Forward(pass, s.Up, x, upper);
        var inner = upper;
        if (gate is not null)
        {
            inner = pass.NewActivation(x.Rows, config.FeedForwardSize);
            gate.Forward(pass, s.Gate, x, inner);
        }
        s.Op = new GateOp
        {
            X = inner, Up = gate is null ? default : upper, Activation = config.Activation,
            Y = pass.NewActivation(x.Rows, config.FeedForwardSize),
        };
        pass.Backend.Forward(s.Op);
        down.Forward(pass, s.Down, s.Op.Y, y, residual);
    }

    protected override void BodyBackward(Pass pass, SubBlockState state, in Tensor dy, in Tensor dx, bool accumulate)
    {
        var s = (State)state;
        var isNeeded = dx.IsPresent || up.IsTrained(pass) || (gate?.IsTrained(pass) ?? false);
        var mark = pass.Arena.Mark();
        var dInner = isNeeded ? pass.Arena.Allocate(pass.Type, dy.Rows, config.FeedForwardSize) : default;
        down.Backward(pass, s.Down, dy, dInner, accumulate: false);
        if (isNeeded)
        {
            var dUpper = gate is null ? default : pass.Arena.Allocate(pass.Type, dy.Rows, config.FeedForwardSize);
            pass.Backend.Backward(s.Op, new GateGradients { DY = dInner, DX = dInner, DUp = dUpper });
            up.Backward(pass, s.Up, gate is null ? dInner : dUpper, dx, accumulate);
            gate?.Backward(pass, s.Gate, dInner, dx, accumulate: true);
        }
        pass.Arena.Release(mark);
    }

    private sealed class State : SubBlockState
    {
        internal LinearState Gate { get; } = new();
        internal LinearState Up { get; } = new();
        internal LinearState Down { get; } = new();
        internal GateOp Op { get; set; }
    }
}
