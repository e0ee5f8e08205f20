using PeftNative.Models.Layers;
using PeftNative.Models.Weights;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Peft.Ia3;

/// <summary>IA3 at one linear layer.</summary>
internal sealed class Ia3Linear(LinearSite site, Parameter vector, bool isInput) : ILinearAttachment
{
    internal LinearSite Site => site;

    public void BeforeForward(Pass pass, LinearState state)
    {
        if ((isInput ? state.Op.InputScale : state.Op.OutputScale).IsPresent)
            throw new UsageException($"Two active adapters scale {site.Path}; only one can.",
                remedy: "Merge one of them into the base first.");
        state.Op = isInput
            ? state.Op with { InputScale = vector.Value }
            : state.Op with
            {
                OutputScale = vector.Value,
                PreScale = pass.IsTraining && vector.Gradient.IsPresent
                    ? pass.Memory.NewActivation(state.Op.X.Rows, site.Out) : default,
            };
    }

    public void BeforeBackward(Pass pass, LinearState state, ref LinearGradients gradients) => gradients = isInput
        ? gradients with { DInputScale = vector.Gradient }
        : gradients with { DOutputScale = vector.Gradient };

    /// <summary>W[n, k] *= l[k] at the input; W[n, k] *= l[n] and b[n] *= l[n] at the output.</summary>
    internal void Merge(IBackend backend) => Scale(backend, Values(backend));

    internal void Unmerge(IBackend backend) => Scale(backend, [.. Values(backend).Select(l => 1 / l)]);

    internal bool IsInvertible(IBackend backend) => Values(backend).All(l => double.IsFinite(1 / l));

    internal bool IsOne(IBackend backend) => Values(backend).All(l => l == 1);

    private double[] Values(IBackend backend) => HostValues.DownloadDoubles(backend, vector.Value);

    private void Scale(IBackend backend, double[] factors)
    {
        Scale(backend, site.Weight.Value, factors, byColumn: isInput);
        if (!isInput && site.Bias is { } bias) Scale(backend, bias.Value, factors, byColumn: true);
    }

    private static void Scale(IBackend backend, in Tensor matrix, double[] factors, bool byColumn)
    {
        var values = HostValues.DownloadDoubles(backend, matrix);
        for (var i = 0; i < values.Length; i++)
            values[i] *= factors[byColumn ? i % matrix.Columns : i / matrix.Columns];
        HostValues.Upload(backend, values, matrix);
    }
}
