using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Models;

/// <summary>A norm of the model. Immutable; what a pass saves is in a <see cref="NormState"/>.</summary>
public sealed class NormSite(string path, NormKind kind, double epsilon, Parameter gamma, Parameter? beta)
{
    /// <summary>Module path.</summary>
    public string Path { get; } = path;

    /// <summary>Gain [1, D].</summary>
    public Parameter Gamma { get; } = gamma;

    /// <summary>Shift [1, D], or null.</summary>
    public Parameter? Beta { get; } = beta;

    /// <summary>y = norm(x); y may be x when no gradient is needed.</summary>
    internal void Forward(Pass pass, NormState state, in Tensor x, in Tensor y)
    {
        state.Op = new NormOp
        {
            X = x, Y = y, Kind = kind, Epsilon = epsilon, Groups = 1,
            Gamma = pass.Resolve(Gamma).Value, Beta = pass.Resolve(Beta)?.Value ?? default,
            Mean = kind == NormKind.LayerNorm ? pass.Arena.Allocate(pass.Type, x.Rows, 1) : default,
            Rstd = pass.Arena.Allocate(pass.Type, x.Rows, 1),
        };
        pass.Backend.Forward(state.Op);
    }

    /// <summary>Gradients of gain and shift <c>+=</c>; dx <c>=</c> or <c>+=</c>.</summary>
    internal void Backward(Pass pass, NormState state, in Tensor dy, in Tensor dx, bool accumulate) =>
        pass.Backend.Backward(state.Op, new NormGradients
        {
            DY = dy, DX = dx, AccumulateDX = accumulate,
            DGamma = pass.Resolve(Gamma).Gradient, DBeta = pass.Resolve(Beta)?.Gradient ?? default,
        });
}

/// <summary>What one norm keeps between forward and backward of a pass.</summary>
public sealed class NormState
{
    /// <summary>The record that ran.</summary>
    public NormOp Op { get; internal set; }
}
