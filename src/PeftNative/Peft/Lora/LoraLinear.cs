using PeftNative.Determinism;
using PeftNative.Models;
using PeftNative.Models.Weights;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Peft.Lora;

/// <summary>
/// LoRA or DoRA at one linear layer. DoRA with dropout needs the base product of the dropped input too
/// (y = W x + b + (g - 1) W x̃ + g s B A x̃): it runs the record on x̃ and adds W (x - x̃) afterwards.
/// </summary>
internal sealed class LoraLinear(LoraAdapter adapter, LinearSite site, LoraConfig config, double scale)
    : ILinearAttachment
{
    private const int NormSlot = 0, ScaleSlot = 1, RestSlot = 2, InputSlot = 3;

    private double[]? mergedNorm;

    internal LinearSite Site => site;

    internal required Parameter A { get; init; }

    internal required Parameter B { get; init; }

    internal Parameter? Magnitude { get; init; }

    /// <summary>The bias of B [1, out] (lora_bias), or null.</summary>
    internal Parameter? Bias { get; init; }

    internal LoraPair Pair => new(A, B, Scale);

    internal double Scale => scale * adapter.Weight;

    public void BeforeForward(Pass pass, LinearState state)
    {
        var dropout = pass.Dropout(config.Dropout, (uint)RandomPurpose.Dropout, site.Index);
        if (Magnitude is not null)
        {
            ScaleOutput(pass, state);
            if (dropout.IsOn)
            {
                DropInput(pass, state, dropout);
                dropout = default;
            }
        }
        if (Bias is not null) AddBias(pass, state, Bias);
        AddPair(pass, state, 0, state.Op.X.Rows, dropout);
    }

    /// <summary>Adds the low-rank pair for a range of rows.</summary>
    internal void AddPair(Pass pass, LinearState state, int first, int count, DropoutMask dropout = default) =>
        state.Add(new LowRankPair
    {
        A = A.Value, B = B.Value, Scale = Scale, RowStart = first, RowCount = count, GradA = A.Gradient,
        GradB = B.Gradient,
        S = pass.Memory.NewStatistic(count, A.Rows), Dropout = dropout,
        DroppedX = dropout.IsOn ? pass.Memory.NewActivation(count, A.Columns) : default,
    });

    public void AfterForward(Pass pass, LinearState state)
    {
        if (!state.Saved[RestSlot].IsPresent || Magnitude is null) return;
        var op = state.Op;
        pass.Backend.Forward(new LinearOp { X = state.Saved[RestSlot], W = op.W, WMaxima = op.WMaxima, Residual = op.Y,
            Y = op.Y });
    }

    public void BeforeBackward(Pass pass, LinearState state, ref LinearGradients gradients)
    {
        if (LeadsBiases(pass))
        {
            gradients = gradients with { DBias = pass.Memory.NewStatistic(1, site.Out) };
            pass.Backend.Fill(gradients.DBias, 0);
        }
        if (Magnitude is null) return;
        var dScale = pass.Memory.NewStatistic(1, site.Out);
        pass.Backend.Fill(dScale, 0);
        gradients = gradients with { DOutputScale = dScale };
        if (!state.Saved[RestSlot].IsPresent || !gradients.DX.IsPresent) return;
        if (!gradients.AccumulateDX) pass.Backend.Fill(gradients.DX, 0);
        state.Saved[InputSlot] = gradients.DX;
        gradients = gradients with { DX = pass.Memory.NewActivation(gradients.DX.Rows, site.In), AccumulateDX = false };
    }

    public void AfterBackward(Pass pass, LinearState state, in LinearGradients gradients)
    {
        if (Bias is { Gradient.IsPresent: true }) pass.Backend.AddScaled(gradients.DBias, Scale, Bias.Gradient);
        if (LeadsBiases(pass) && pass.Adapters.Resolve(site.Bias) is { Gradient.IsPresent: true } own)
            pass.Backend.AddScaled(gradients.DBias, 1, own.Gradient);
        if (Magnitude is null) return;
        if (Magnitude.Gradient.IsPresent)
            pass.Backend.Backward(ScaleOp(Dense(pass, state), state.Saved[NormSlot], default),
                new DoraScaleGradients { DG = gradients.DOutputScale, DMagnitude = Magnitude.Gradient });
        if (state.Saved[RestSlot].IsPresent && gradients.DX.IsPresent) RestBackward(pass, state, gradients);
    }

    internal void InitializeMagnitude(IBackend backend)
    {
        if (Magnitude is not null) Norms(backend, Magnitude.Value);
    }

    /// <summary>
    /// Whether the magnitudes are the norms of the rows, to a few roundings: then the direction alone counts.
    /// </summary>
    internal bool HasMagnitudesOfBase(IBackend backend)
    {
        if (Magnitude is null) return true;
        using var arena = new Arena(backend, "norms");
        var norms = arena.Allocate(backend.ParameterType, 1, site.Out);
        Norms(backend, norms);
        return Magnitudes(backend).Zip(HostValues.DownloadDoubles(backend, norms))
            .All(p => Math.Abs(p.First - p.Second) <= 1e-6 * p.Second);
    }

    internal void Merge(IBackend backend)
    {
        adapter.Model.Expand(site.Weight);
        mergedNorm = Magnitude is null ? null : RowNorms(backend);
        LoraMerge.Add(backend, site.Weight.Value, A.Value, B.Value, Scale);
        if (mergedNorm is not null) LoraMerge.ScaleRows(backend, site.Weight.Value, Magnitudes(backend), mergedNorm);
        MergeBias(backend, Scale);
    }

    internal void Unmerge(IBackend backend)
    {
        if (mergedNorm is not null) LoraMerge.ScaleRows(backend, site.Weight.Value, mergedNorm, Magnitudes(backend));
        LoraMerge.Add(backend, site.Weight.Value, A.Value, B.Value, -Scale);
        MergeBias(backend, -Scale);
    }

    private void MergeBias(IBackend backend, double factor)
    {
        if (Bias is not null) backend.AddScaled(Bias.Value, factor, site.Bias!.Value);
    }

    // The record's bias becomes that of the base and the pair's.
    private void AddBias(Pass pass, LinearState state, Parameter bias)
    {
        var sum = pass.Memory.NewStatistic(1, site.Out);
        if (state.Op.Bias.IsPresent) pass.Backend.Copy(state.Op.Bias, sum);
        else pass.Backend.Fill(sum, 0);
        pass.Backend.AddScaled(bias.Value, Scale, sum);
        state.Op = state.Op with { Bias = sum };
    }

    // Of several adapters with a bias here, all of which need its gradient, the first one asks for it.
    private bool LeadsBiases(Pass pass)
    {
        if (Bias is null) return false;
        foreach (var attachment in pass.Adapters.AtLinear(site.Index))
            if (attachment is LoraLinear { Bias.Gradient.IsPresent: true } first) return first == this;
        return false;
    }

    private void Norms(IBackend backend, in Tensor target)
    {
        using var arena = new Arena(backend, "dequantised weight");
        backend.Forward(ScaleOp(adapter.Model.Dense(site.Weight, arena), target, default));
    }

    private double[] Magnitudes(IBackend backend) => HostValues.DownloadDoubles(backend, Magnitude!.Value);

    private double[] RowNorms(IBackend backend)
    {
        using var arena = new Arena(backend, "merge");
        var norm = arena.Allocate(backend.ParameterType, 1, site.Out);
        backend.Forward(ScaleOp(site.Weight.Value, norm, default));
        return HostValues.DownloadDoubles(backend, norm);
    }

    private void ScaleOutput(Pass pass, LinearState state)
    {
        if (state.Op.OutputScale.IsPresent)
            throw new UsageException($"Two active adapters scale {site.Path}; only one can.",
                remedy: "Merge one of them into the base first.");
        state.Saved[NormSlot] = pass.Memory.NewStatistic(1, site.Out);
        state.Saved[ScaleSlot] = pass.Memory.NewStatistic(1, site.Out);
        state.Saved[RestSlot] = default;
        pass.Backend.Forward(ScaleOp(Dense(pass, state), state.Saved[NormSlot], state.Saved[ScaleSlot]));
        state.Op = state.Op with
        {
            OutputScale = state.Saved[ScaleSlot], ScaleBeforeBias = true,
            PreScale = pass.IsTraining ? pass.Memory.NewActivation(state.Op.X.Rows, site.Out) : default,
        };
    }

    // x̃ becomes the record's input; x - x̃ is kept for the rest of the base product.
    private static void DropInput(Pass pass, LinearState state, DropoutMask mask)
    {
        var x = state.Op.X;
        var dropped = pass.Memory.NewActivation(x.Rows, x.Columns);
        var rest = pass.Memory.NewActivation(x.Rows, x.Columns);
        pass.Backend.Forward(new DropoutOp { X = x, Mask = mask, Y = dropped });
        pass.Backend.Copy(x, rest);
        pass.Backend.AddScaled(dropped, -1, rest);
        state.Saved[RestSlot] = rest;
        state.Op = state.Op with { X = dropped };
    }

    // dx += drop'(dx̃) + (dy W) - drop'(dy W)
    private void RestBackward(Pass pass, LinearState state, in LinearGradients gradients)
    {
        var mask = pass.Dropout(config.Dropout, (uint)RandomPurpose.Dropout, site.Index);
        var dx = state.Saved[InputSlot];
        var dRest = pass.Memory.NewActivation(dx.Rows, dx.Columns);
        pass.Backend.Backward(
            new LinearOp { X = state.Saved[RestSlot], W = state.Op.W, WMaxima = state.Op.WMaxima, Y = state.Op.Y },
            gradients with { DX = dRest, AccumulateDX = false, DBias = default, DOutputScale = default });
        pass.Backend.AddScaled(dRest, -1, gradients.DX);
        pass.Backend.Forward(new DropoutOp { X = gradients.DX, Mask = mask, Accumulate = true, Y = dRest });
        state.Saved[InputSlot] = default;
        pass.Backend.AddScaled(dRest, 1, dx);
    }

    // The numbers of the weight, also where its products are of codes.
    private static Tensor Dense(Pass pass, LinearState state) =>
        state.Op.WMaxima.IsPresent ? pass.Memory.Dense(pass.Adapters.Resolve(state.Site.Weight)) : state.Op.W;

    private DoraScaleOp ScaleOp(in Tensor weight, in Tensor norm, in Tensor g) => new()
    {
        W = weight, A = A.Value, B = B.Value, Scale = Scale, Magnitude = Magnitude!.Value, Norm = norm, G = g,
    };
}
