using PeftNative.Determinism;
using PeftNative.Models;
using PeftNative.Models.Layers;
using PeftNative.Models.Weights;
using PeftNative.Ops;

namespace PeftNative.Peft.Lora;

/// <summary>LoRA at one linear layer.</summary>
internal class LoraLinear(LoraAdapter adapter, LinearSite site, LoraConfig config, double scale) : ILinearAttachment
{
    internal LinearSite Site => site;

    internal required Parameter A { get; init; }

    internal required Parameter B { get; init; }

    /// <summary>The bias of B [1, out] (lora_bias), or null.</summary>
    internal Parameter? Bias { get; init; }

    internal LoraPair Pair => new(A, B, Scale);

    internal double Scale => scale * adapter.Scale;

    protected TransformerModel Model => adapter.Model;

    public virtual void BeforeForward(Pass pass, LinearState state)
    {
        if (Bias is not null) AddBias(pass, state, Bias);
        AddPair(pass, state, 0, state.Op.X.Rows, Dropout(pass));
    }

    public virtual bool TryAddRows(Pass pass, LinearState state, int first, int count)
    {
        if (Bias is null) AddPair(pass, state, first, count);
        return Bias is null;
    }

    public virtual void AfterForward(Pass pass, LinearState state)
    {
    }

    public virtual void BeforeBackward(Pass pass, LinearState state, ref LinearGradients gradients)
    {
        if (!LeadsBiases(pass)) return;
        gradients = gradients with { DBias = pass.Memory.NewStatistic(1, site.Out) };
        pass.Backend.Fill(gradients.DBias, 0);
    }

    public virtual void AfterBackward(Pass pass, LinearState state, in LinearGradients gradients)
    {
        if (Bias is { Gradient.IsPresent: true }) pass.Backend.AddScaled(gradients.DBias, Scale, Bias.Gradient);
        if (LeadsBiases(pass) && pass.Adapters.Resolve(site.Bias) is { Gradient.IsPresent: true } own)
            pass.Backend.AddScaled(gradients.DBias, 1, own.Gradient);
    }

    /// <summary>Gives what is made of the other parameters its first values.</summary>
    internal virtual void Initialize(IBackend backend)
    {
    }

    /// <summary>Whether it does nothing where the pair comes to zero.</summary>
    internal virtual bool IsPairAlone(IBackend backend) => true;

    internal virtual void Merge(IBackend backend)
    {
        Model.Expand(site.Weight);
        LoraMerge.Add(backend, site.Weight.Value, A.Value, B.Value, Scale);
        MergeBias(backend, Scale);
    }

    internal virtual void Unmerge(IBackend backend)
    {
        LoraMerge.Add(backend, site.Weight.Value, A.Value, B.Value, -Scale);
        MergeBias(backend, -Scale);
    }

    protected DropoutMask Dropout(Pass pass) =>
        pass.Dropout(config.Dropout, (uint)RandomPurpose.Dropout, site.Index);

    /// <summary>Adds the low-rank pair for a range of rows.</summary>
    protected void AddPair(Pass pass, LinearState state, int first, int count, DropoutMask dropout = default) =>
        state.Add(new LowRankPair
    {
        A = A.Value, B = B.Value, Scale = Scale, RowStart = first, RowCount = count, GradA = A.Gradient,
        GradB = B.Gradient,
        S = pass.Memory.NewStatistic(count, A.Rows), Dropout = dropout,
        DroppedX = dropout.IsOn ? pass.Memory.NewActivation(count, A.Columns) : default,
    });

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
}
