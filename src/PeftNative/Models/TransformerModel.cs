using System.Runtime.CompilerServices;
using PeftNative.Models.Config;
using PeftNative.Models.Families;
using PeftNative.Models.Weights;
using PeftNative.Ops;
using PeftNative.Quantization;
using PeftNative.Tensors;

namespace PeftNative.Models;

/// <summary>
/// A transformer on a backend: frozen parameters, layers, and the head of one task. Adapters never change it (merging
/// aside), so many passes may share it; it owns the memory of its weights. Used by one thread at a time, like its
/// backend; what stands in
/// <c>PeftNative.Inference</c> takes turns by itself, so generators, classifiers and embedders of several threads may
/// share a model, and models a backend.
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

    /// <summary>The folder it was loaded from, or null.</summary>
    public string? Folder { get; internal set; }

    /// <summary>Rows of embedding and head that the checkpoint does not have.</summary>
    internal int AddedTokens { get; set; }

    /// <summary>Whether a parameter has a row for every token.</summary>
    internal bool HasRowsOfTokens(Parameter parameter) =>
        parameter == Embedding.Table || (Task.WritesText() && parameter == Head.Output.Weight);

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

    /// <summary>Number of different parameters (tied ones once).</summary>
    public long ParameterCount => Parameters.Where(p => p.TiedTo is null).Sum(p => p.Count);

    /// <summary>
    /// Runs all layers; returns the stream [rows, D] before the final norm: that of the decoder, where an encoder
    /// stands in front.
    /// </summary>
    public Tensor Forward(Pass pass)
    {
        foreach (var set in pass.Adapters.Each) set.BeforeForward(pass);
        if (Encoder is not null && pass.Rows.Cache is not { Length: > 0 }) Encode(pass);
        var x = pass.FrozenLayers is { } frozen && pass.IsTraining && Encoder is null
            ? ForwardAboveFrozen(pass, frozen) : Decoder.Forward(pass, Embedding.Forward(pass));
        pass.Rows.Cache?.Advance(pass.Rows.Stream);
        return x;
    }

    private Tensor ForwardAboveFrozen(Pass pass, FrozenLayerCache frozen)
    {
        // Up to the beginning of the layer with the lowest trained sub-block.
        var boundary = Decoder.LayerBegin(Math.Max(0, pass.Adapters.LowestTrainedDepth));
        if (boundary == 0) return Decoder.Forward(pass, Embedding.Forward(pass));
        var x = frozen.Restore(pass);
        if (!x.IsPresent)
        {
            x = Decoder.Forward(pass, Embedding.Forward(pass), 0, boundary);
            frozen.Keep(pass, x);
        }
        return Decoder.Forward(pass, x, boundary, Blocks.Count);
    }

    /// <summary>
    /// Walks back from the gradient of the stream, which is used up, to the lowest trained parameter. Gradients of
    /// parameters are added to.
    /// </summary>
    public void Backward(Pass pass, in Tensor d)
    {
        var lowest = pass.Adapters.LowestTrainedDepth;
        if (Encoder is null)
        {
            var dInput = Decoder.Backward(pass, d, lowest);
            if (lowest < 0) Embedding.Backward(pass, dInput);
        }
        else EncoderDecoderBackward(pass, d);
        foreach (var set in pass.Adapters.Each) set.AfterBackward(pass);
    }

    private void Encode(Pass pass)
    {
        pass.Rows.Enter(pass.Rows.Source!);
        var x = Encoder!.Forward(pass, Embedding.Forward(pass));
        pass.Rows.EncoderOutput = pass.Memory.NewActivation(x.Rows, x.Columns);
        EncoderNorm!.Forward(pass, pass.MemoryNorm, x, pass.Rows.EncoderOutput);
        pass.Rows.Enter(pass.Rows.Target);
    }

    private void EncoderDecoderBackward(Pass pass, in Tensor d)
    {
        var (lowest, first) = (pass.Adapters.LowestTrainedDepth, Decoder.FirstDepth);
        if (lowest >= first)
        {
            Decoder.Backward(pass, d, lowest);
            return;
        }
        var encoded = pass.Rows.EncoderOutput;
        var dEncoded = pass.Rows.EncoderGradient = pass.Memory.NewActivation(encoded.Rows, encoded.Columns);
        pass.Backend.Fill(dEncoded, 0);
        // What is trained below the decoder is reached through its looks at the encoder, the lowest of which stands
        // above its first sub-block.
        var trainsEmbedding = Embedding.IsTrained(pass);
        var dInput = Decoder.Backward(pass, d, trainsEmbedding ? -1 : Decoder.Blocks[0].IsTrained(pass)
            ? first : first + 1);
        if (trainsEmbedding) Embedding.Backward(pass, dInput);

        pass.Rows.Enter(pass.Rows.Source!);
        EncoderNorm!.Backward(pass, pass.MemoryNorm, dEncoded, dEncoded, accumulate: false);
        Encoder!.Backward(pass, dEncoded, lowest);
        if (lowest < 0) Embedding.Backward(pass, dEncoded);
        pass.Rows.Enter(pass.Rows.Target);
    }

    /// <summary>
    /// Forward, loss and backward of the batch the pass has begun. Gradients are added to the trained parameters.
    /// </summary>
    public HeadResult TrainStep(Pass pass, HeadTargets targets)
    {
        BeginStep(pass, targets);
        RunStep(pass, targets);
        return EndStep(pass);
    }

    /// <summary>Takes the targets to the backend.</summary>
    internal void BeginStep(Pass pass, HeadTargets targets)
    {
        Head.Take(pass, targets);
        PickTopRows(pass, targets);
    }

    /// <summary>The operations of a training step that has begun: nothing is uploaded or read back.</summary>
    internal void RunStep(Pass pass, HeadTargets targets)
    {
        var x = Forward(pass);
        var reachesLayers = pass.Adapters.LowestTrainedDepth < Blocks.Count;
        var dx = reachesLayers ? pass.Memory.NewActivation(x.Rows, x.Columns) : default;
        Head.Run(pass, x, targets, backward: true, dx);
        if (reachesLayers) Backward(pass, dx);
    }

    /// <summary>Reads what the step came to.</summary>
    internal static HeadResult EndStep(Pass pass)
    {
        pass.Rows.Top = default;
        return ModelHead.Result(pass);
    }

    /// <summary>Forward and loss of the batch the pass has begun.</summary>
    public HeadResult Evaluate(Pass pass, HeadTargets targets)
    {
        BeginStep(pass, targets);
        Head.Run(pass, Forward(pass), targets, backward: false, default);
        return EndStep(pass);
    }

    // The last feed-forward works for the head alone: where that looks at few rows, the others are left out.
    private void PickTopRows(Pass pass, HeadTargets targets)
    {
        const double Worth = 0.75;
        var isCached = pass.FrozenLayers is not null && pass.IsTraining
            && pass.Adapters.LowestTrainedDepth >= Blocks.Count;
        if (!Decoder.CanPick || isCached || targets.Count == 0 || targets.Count > Worth * pass.Rows.Count) return;
        foreach (var set in pass.Adapters.Each)
            if (set.DependsOnRowNumbers) return;
        pass.Rows.Top = pass.HeadState.Rows;
    }

    /// <summary>
    /// The rows a sequence classifier looks at: the first row of a bidirectional model (virtual tokens included), the
    /// last of a causal one.
    /// </summary>
    public int[] PooledRows(Pass pass)
    {
        var rows = new int[pass.Rows.SequenceCount];
        for (var s = 0; s < rows.Length; s++)
            rows[s] = Config.Causal ? pass.Rows.Offsets[s + 1] - 1 : pass.Rows.Offsets[s];
        return rows;
    }

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
