using System.Runtime.CompilerServices;
using PeftNative.Models.Config;
using PeftNative.Models.Families;
using PeftNative.Models.Layers;
using PeftNative.Models.Weights;
using PeftNative.Ops;
using PeftNative.Quantization;
using PeftNative.Tensors;

namespace PeftNative.Models;

/// <summary>
/// A transformer on a backend: frozen parameters, layers, and the head of one task; a <see cref="ModelRun"/> computes
/// with it. Adapters never change it (merging aside), so many runs may share it; it owns the memory of its weights.
/// Used by one thread at a time, like its backend; what stands in <c>PeftNative.Inference</c> takes turns by itself, so
/// generators, classifiers and embedders of several threads may share a model, and models a backend.
/// </summary>
public sealed class TransformerModel : IDisposable
{
    private static readonly ConditionalWeakTable<IBackend, Lock> Gates = [];

    internal TransformerModel(IBackend backend, Family family, TransformerConfig config, ModelTask task, Arena weights)
    {
        Gate = Gates.GetOrCreateValue(backend);
        (Backend, Family, Config, Task, Weights) = (backend, family, config, task, weights);
    }

    /// <summary>Executes the operations.</summary>
    public IBackend Backend { get; }

    /// <summary>The family.</summary>
    public Family Family { get; }

    /// <summary>The architecture.</summary>
    public TransformerConfig Config { get; }

    /// <summary>The task of the head.</summary>
    public ModelTask Task { get; }

    /// <summary>Mapped files in which weights lie, closed with the model; or null.</summary>
    internal IDisposable? Files { get; set; }

    /// <summary>The folder, or GGUF file, it was loaded from, or null.</summary>
    public string? Folder { get; internal set; }

    /// <summary>Rows of embedding and head that the checkpoint does not have.</summary>
    internal int AddedTokens { get; set; }

    /// <summary>Digests of the adapters that its weights have taken up, in that order.</summary>
    internal List<string> Merged { get; } = [];

    /// <summary>Whether a parameter has a row for every token.</summary>
    internal bool HasRowsOfTokens(Parameter parameter) =>
        parameter == Embedding.Table || (Task.WritesText() && parameter == Head.Output!.Weight);

    /// <summary>How its frozen linear layers were quantised when it was made, or null.</summary>
    internal QuantizationOptions? Quantization { get; init; }

    /// <summary>All parameters, tied ones included, in the order of the module tree.</summary>
    public IReadOnlyList<Parameter> Parameters { get; internal init; } = [];

    /// <summary>All linear layers, in the order of the module tree.</summary>
    public IReadOnlyList<LinearSite> Linears { get; internal init; } = [];

    /// <summary>All leaf modules, in the order of the module tree.</summary>
    public IReadOnlyList<ModuleInfo> Modules { get; internal init; } = [];

    /// <summary>The input embeddings.</summary>
    public required EmbeddingSite Embedding { get; init; }

    /// <summary>The output head.</summary>
    public required ModelHead Head { get; init; }

    /// <summary>The encoder's sub-blocks, where there is one besides a decoder.</summary>
    internal BlockStack? Encoder { get; init; }

    /// <summary>The norm above the encoder.</summary>
    internal NormSite? EncoderNorm { get; init; }

    /// <summary>The sub-blocks below the head.</summary>
    internal BlockStack Decoder { get; init; } = null!;

    /// <summary>All sub-blocks, by their depth.</summary>
    internal IReadOnlyList<SubBlock> Blocks { get; init; } = [];

    internal Arena Weights { get; }

    /// <summary>Held by whoever computes with the model; models on one backend share it, as it computes for one at a
    /// time.</summary>
    internal Lock Gate { get; }

    /// <summary>Whether its memory is gone.</summary>
    internal bool IsDisposed { get; private set; }

    /// <summary>Bytes held from the backend by weights.</summary>
    public long WeightBytes => Weights.Reserved;

    /// <summary>Bytes of weights that lie in mapped files, beside <see cref="WeightBytes"/>.</summary>
    public long MappedBytes => Parameters.Sum(p => p.Quantized is { IsMapped: true } q ? q.Bytes : 0);

    /// <summary>Number of different parameters (tied ones once).</summary>
    public long ParameterCount => Parameters.Where(p => p.TiedTo is null).Sum(p => p.Count);

    /// <summary>The numbers of a parameter on the host, row by row; those of a tied one are its partner's.</summary>
    internal float[] Values(Parameter parameter)
    {
        var own = parameter.TiedTo ?? parameter;
        if (own.Quantized is null) return HostValues.Download(Backend, own.Value);
        using var scratch = new Arena(Backend, "dequantised weight");
        return HostValues.Download(Backend, Dense(own, scratch));
    }

    /// <summary>
    /// The numbers of a parameter (of a tied one those of its partner); quantised ones in memory of an arena.
    /// </summary>
    internal Tensor Dense(Parameter parameter, Arena scratch) =>
        (parameter.TiedTo ?? parameter).Dense(Backend, scratch);

    /// <summary>
    /// Gives a parameter numbers that are its own and whole from now on, so that they can be changed: a tied pair comes
    /// apart, a quantised one is dequantised.
    /// </summary>
    /// <param name="parameter">The parameter.</param>
    /// <param name="keepsTie">Whether a tied pair is changed as one.</param>
    internal void Expand(Parameter parameter, bool keepsTie = false)
    {
        foreach (var other in Parameters)
            if (!keepsTie && other.TiedTo is { } partner && (other == parameter || partner == parameter)) Untie(other);
        parameter.Changes++;
        if (parameter.Quantized is null) return;
        parameter.Value = Dense(parameter, Weights);
        if (ExpandedType?.Invoke(parameter) is { } type)
        {
            var values = HostValues.Download(Backend, parameter.Value);
            HostValues.Round(values, type);
            HostValues.Upload(Backend, values, parameter.Value);
        }
        parameter.Quantized = null;
    }

    /// <summary>
    /// The type that the numbers of a quantised parameter are rounded to when it is dequantised for good; null, or null
    /// of it, where they are not.
    /// </summary>
    internal Func<Parameter, DType?>? ExpandedType { get; set; }

    /// <summary>Gives a tied parameter numbers of its own, which are its partner's to begin with.</summary>
    internal void Untie(Parameter tied)
    {
        using var scratch = new Arena(Backend, "dequantised weight");
        var values = Weights.Allocate(Backend.ComputeType, tied.Rows, tied.Columns);
        HostValues.Copy(Backend, Dense(tied, scratch), values);
        (tied.Value, tied.TiedTo) = (values, null);
    }

    /// <summary>Frees the weights, after a computation under way; what computes with the model then throws.</summary>
    public void Dispose()
    {
        lock (Gate)
        {
            if (IsDisposed) return;
            IsDisposed = true;
            Weights.Dispose();
            Files?.Dispose();
        }
    }
}

/// <summary>The kinds of leaf modules adapters may look for.</summary>
public enum ModuleKind
{
    /// <summary>A linear layer.</summary>
    Linear,

    /// <summary>A linear layer stored [in, out].</summary>
    Conv1D,

    /// <summary>An embedding table.</summary>
    Embedding,

    /// <summary>A norm.</summary>
    Norm,
}

/// <summary>A leaf of the module tree.</summary>
/// <param name="Path">Path in the Hugging Face model, e.g. bert.encoder.layer.0.output.dense.</param>
/// <param name="Kind">Its kind.</param>
/// <param name="Role">What it is for.</param>
/// <param name="Layer">Number of its layer in its stack; null outside the layers.</param>
/// <param name="Linear">The linear layer, for the first two kinds.</param>
public sealed record ModuleInfo(string Path, ModuleKind Kind, ModuleRole Role, int? Layer, LinearSite? Linear);
