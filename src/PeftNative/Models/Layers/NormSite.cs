using PeftNative.Models.Config;
using PeftNative.Models.Weights;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Models.Layers;

/// <summary>A norm of the model. Immutable; what a pass saves is in a <see cref="NormState"/>.</summary>
public sealed class NormSite(string path, TransformerConfig config, Parameter gamma, Parameter? beta)
{
    /// <summary>Module path.</summary>
    public string Path { get; } = path;

    /// <summary>Gain [1, D].</summary>
    public Parameter Gamma { get; } = gamma;

    /// <summary>Shift [1, D], or null.</summary>
    public Parameter? Beta { get; } = beta;

    /// <summary>Whether its gain or its shift is trained.</summary>
    internal bool IsTrained(Pass pass) => pass.Adapters.IsTrained(Gamma) || pass.Adapters.IsTrained(Beta);

    /// <summary>
    /// y = norm(x), each row in as many groups as the gain fits into it; y may be x when no gradient is needed.
    /// </summary>
    internal void Forward(Pass pass, NormState state, in Tensor x, in Tensor y)
    {
        var groups = x.Columns / Gamma.Columns;
        state.Op = new NormOp
        {
            X = x, Y = y, Kind = config.Norm, Epsilon = config.NormEpsilon, GammaOffset = config.NormGammaOffset,
            Groups = groups,
            Gamma = pass.Adapters.Resolve(Gamma).Value, Beta = pass.Adapters.Resolve(Beta)?.Value ?? default,
            Mean = config.Norm == NormKind.LayerNorm ? pass.Memory.NewStatistic(x.Rows, groups) : default,
            Rstd = pass.Memory.NewStatistic(x.Rows, groups),
        };
        pass.Backend.Forward(state.Op);
    }

    /// <summary>
    /// Makes the output of <see cref="Forward"/> again where it was; only its place where nobody reads it.
    /// </summary>
    internal static void ForwardAgain(Pass pass, NormState state, bool isRead)
    {
        pass.Memory.TakeAgain(state.Op.Y);
        if (isRead) pass.Backend.Forward(state.Op);
    }

    /// <summary>Gradients of gain and shift <c>+=</c>; dx <c>=</c> or <c>+=</c>.</summary>
    internal void Backward(Pass pass, NormState state, in Tensor dy, in Tensor dx, bool accumulate) =>
        pass.Backend.Backward(state.Op, new NormGradients
        {
            DY = dy, DX = dx, AccumulateDX = accumulate,
            DGamma = pass.Adapters.Resolve(Gamma).Gradient, DBeta = pass.Adapters.Resolve(Beta)?.Gradient ?? default,
        });
}

/// <summary>What one norm keeps between forward and backward of a pass. Used by one thread at a time.</summary>
public sealed class NormState
{
    /// <summary>The record that ran.</summary>
    public NormOp Op { get; internal set; }
}
