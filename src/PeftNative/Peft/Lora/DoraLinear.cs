using PeftNative.Models.Layers;
using PeftNative.Models.Weights;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Peft.Lora;

/// <summary>
/// DoRA at one linear layer: y = g ⊙ (W x + s B A x) + b with g = magnitude / ‖W + s B A‖ by rows, a constant in the
/// backward. With dropout it needs the base product of the dropped input too
/// (y = W x + b + (g - 1) W x̃ + g s B A x̃): it runs the record on x̃ and adds W (x - x̃) afterwards.
/// </summary>
internal sealed class DoraLinear(LoraAdapter adapter, LinearSite site, LoraConfig config, double scale)
    : LoraLinear(adapter, site, config, scale)
{
    private double[]? mergedNorm;

    /// <summary>The magnitudes [1, out].</summary>
    internal required Parameter Magnitude { get; init; }

    public override void BeforeForward(Pass pass, LinearState state)
    {
        ScaleOutput(pass, state);
        if (Dropout(pass) is { IsOn: true } dropout) DropInput(pass, state, dropout);
        AddPair(pass, state, 0, state.Op.X.Rows);
    }

    public override bool TryAddRows(Pass pass, LinearState state, int first, int count) => false;

    public override void AfterForward(Pass pass, LinearState state)
    {
        var rest = state.Of<Kept>(this).Rest;
        if (!rest.IsPresent) return;
        var op = state.Op;
        pass.Backend.Forward(new LinearOp { X = rest, W = op.W, WMaxima = op.WMaxima, Residual = op.Y, Y = op.Y });
    }

    public override void BeforeBackward(Pass pass, LinearState state, ref LinearGradients gradients)
    {
        var kept = state.Of<Kept>(this);
        var dScale = pass.Memory.NewStatistic(1, Site.Out);
        pass.Backend.Fill(dScale, 0);
        gradients = gradients with { DOutputScale = dScale };
        if (!kept.Rest.IsPresent || !gradients.DX.IsPresent) return;
        if (!gradients.AccumulateDX) pass.Backend.Fill(gradients.DX, 0);
        kept.InputGradient = gradients.DX;
        gradients = gradients with { DX = pass.Memory.NewActivation(gradients.DX.Rows, Site.In), AccumulateDX = false };
    }

    public override void AfterBackward(Pass pass, LinearState state, in LinearGradients gradients)
    {
        var kept = state.Of<Kept>(this);
        if (Magnitude.Gradient.IsPresent)
            pass.Backend.Backward(ScaleOp(Dense(pass, state), kept.Norm, default),
                new DoraScaleGradients { DG = gradients.DOutputScale, DMagnitude = Magnitude.Gradient });
        if (kept.Rest.IsPresent && gradients.DX.IsPresent) RestBackward(pass, state, kept, gradients);
    }

    internal override void Initialize(IBackend backend) => Norms(backend, Magnitude.Value);

    // The magnitudes are the norms of the rows, to a few roundings: then the direction alone counts.
    internal override bool IsPairAlone(IBackend backend)
    {
        using var arena = new Arena(backend, "norms");
        var norms = arena.Allocate(backend.ParameterType, 1, Site.Out);
        Norms(backend, norms);
        return Magnitudes(backend).Zip(HostValues.DownloadDoubles(backend, norms))
            .All(p => Math.Abs(p.First - p.Second) <= 1e-6 * p.Second);
    }

    internal override void Merge(IBackend backend)
    {
        Model.Expand(Site.Weight);
        mergedNorm = RowNorms(backend);
        base.Merge(backend);
        LoraMerge.ScaleRows(backend, Site.Weight.Value, Magnitudes(backend), mergedNorm);
    }

    internal override void Unmerge(IBackend backend)
    {
        LoraMerge.ScaleRows(backend, Site.Weight.Value, mergedNorm!, Magnitudes(backend));
        base.Unmerge(backend);
    }

    private void Norms(IBackend backend, in Tensor target)
    {
        using var arena = new Arena(backend, "dequantised weight");
        backend.Forward(ScaleOp(Model.Dense(Site.Weight, arena), target, default));
    }

    private double[] Magnitudes(IBackend backend) => HostValues.DownloadDoubles(backend, Magnitude.Value);

    private double[] RowNorms(IBackend backend)
    {
        using var arena = new Arena(backend, "merge");
        var norm = arena.Allocate(backend.ParameterType, 1, Site.Out);
        backend.Forward(ScaleOp(Site.Weight.Value, norm, default));
        return HostValues.DownloadDoubles(backend, norm);
    }

    private void ScaleOutput(Pass pass, LinearState state)
    {
        if (state.Op.OutputScale.IsPresent)
            throw new UsageException($"Two active adapters scale {Site.Path}; only one can.",
                remedy: "Merge one of them into the base first.");
        var kept = state.Of<Kept>(this);
        kept.Norm = pass.Memory.NewStatistic(1, Site.Out);
        var quotient = pass.Memory.NewStatistic(1, Site.Out);
        kept.Rest = default;
        pass.Backend.Forward(ScaleOp(Dense(pass, state), kept.Norm, quotient));
        state.Op = state.Op with
        {
            OutputScale = quotient, ScaleBeforeBias = true,
            PreScale = pass.IsTraining ? pass.Memory.NewActivation(state.Op.X.Rows, Site.Out) : default,
        };
    }

    // x̃ becomes the record's input; x - x̃ is kept for the rest of the base product.
    private void DropInput(Pass pass, LinearState state, DropoutMask mask)
    {
        var x = state.Op.X;
        var dropped = pass.Memory.NewActivation(x.Rows, x.Columns);
        var rest = pass.Memory.NewActivation(x.Rows, x.Columns);
        pass.Backend.Forward(new DropoutOp { X = x, Mask = mask, Y = dropped });
        pass.Backend.Copy(x, rest);
        pass.Backend.AddScaled(dropped, -1, rest);
        state.Of<Kept>(this).Rest = rest;
        state.Op = state.Op with { X = dropped };
    }

    // dx += drop'(dx̃) + (dy W) - drop'(dy W)
    private void RestBackward(Pass pass, LinearState state, Kept kept, in LinearGradients gradients)
    {
        var dx = kept.InputGradient;
        var dRest = pass.Memory.NewActivation(dx.Rows, dx.Columns);
        pass.Backend.Backward(
            new LinearOp { X = kept.Rest, W = state.Op.W, WMaxima = state.Op.WMaxima, Y = state.Op.Y },
            gradients with { DX = dRest, AccumulateDX = false, DBias = default, DOutputScale = default });
        pass.Backend.AddScaled(dRest, -1, gradients.DX);
        pass.Backend.Forward(new DropoutOp { X = gradients.DX, Mask = Dropout(pass), Accumulate = true, Y = dRest });
        kept.InputGradient = default;
        pass.Backend.AddScaled(dRest, 1, dx);
    }

    // The numbers of the weight, also where its products are of codes.
    private static Tensor Dense(Pass pass, LinearState state) =>
        state.Op.WMaxima.IsPresent ? pass.Memory.Dense(pass.Adapters.Resolve(state.Site.Weight)) : state.Op.W;

    private DoraScaleOp ScaleOp(in Tensor weight, in Tensor norm, in Tensor g) => new()
    {
        W = weight, A = A.Value, B = B.Value, Scale = Scale, Magnitude = Magnitude.Value, Norm = norm, G = g,
    };

    private sealed class Kept
    {
        internal Tensor Norm { get; set; }

        /// <summary>x - x̃; absent without dropout.</summary>
        internal Tensor Rest { get; set; }

        internal Tensor InputGradient { get; set; }
    }
}
