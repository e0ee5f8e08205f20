using PeftNative.Determinism;
using PeftNative.Models;
using PeftNative.Models.Layers;
using PeftNative.Models.Weights;
using PeftNative.Peft.Adapters;
using PeftNative.Tensors;

namespace PeftNative.Peft.VirtualTokens;

/// <summary>
/// Trained vectors in front of every sequence, with or without an encoder behind them. With one, the encoder runs once
/// per pass, in memory of the adapter, so such an adapter serves one pass at a time; files hold its output (as PEFT's
/// do), and an adapter loaded from them has none. Used by one thread at a time, like its backend.
/// </summary>
public abstract class PromptLearningAdapter : Adapter
{
    private const string StoredKey = "prompt_embeddings";

    private readonly List<(Parameter Parameter, double Bound)> drawn = [];
    private IReadOnlyList<AdapterEntry>? storedEntries;
    private PromptEncoder? encoder;
    private Parameter embedding = null!;
    private Parameter stored = null!;
    private Arena? storedArena, runArena;
    private Tensor output, outputGradient;

    private protected PromptLearningAdapter(TransformerModel model, PromptLearningConfig config, string name)
        : base(model, config, name)
    {
    }

    /// <inheritdoc/>
    public override IReadOnlyList<AdapterEntry> StoredEntries => storedEntries ?? Entries;

    /// <summary>What the model sees [rows, width].</summary>
    private protected Tensor Output => encoder is null ? embedding.Value : output;

    /// <summary>Its gradient, added to; absent when nothing is trained.</summary>
    private protected Tensor OutputGradient => encoder is null ? embedding.Gradient : outputGradient;

    /// <inheritdoc/>
    public override void BeforeForward(Pass pass)
    {
        // The tokens of a generation after the first see what the first has computed.
        if (encoder is null || pass.Rows.Cache is { Length: > 0 }) return;
        output = Encode(pass);
        outputGradient = pass.IsTraining && IsTrainable
            ? new EncoderRun(Model.Backend, runArena!, pass).NewZero(output.Rows, output.Columns) : default;
    }

    /// <inheritdoc/>
    public override void AfterBackward(Pass pass)
    {
        if (encoder is null || !outputGradient.IsPresent) return;
        encoder.Backward(new EncoderRun(Model.Backend, runArena!, pass), outputGradient, embedding.Gradient);
    }

    /// <inheritdoc/>
    public override void Fold()
    {
        if (encoder is not null) Model.Backend.Copy(Encode(null), stored.Value);
    }

    /// <inheritdoc/>
    protected override void Free()
    {
        storedArena?.Dispose();
        runArena?.Dispose();
        base.Free();
    }

    /// <inheritdoc/>
    protected override void MergeWeights() => throw MergeRefusal;

    /// <inheritdoc/>
    internal override UsageException MergeRefusal => new(
        $"A {Config.PeftType} adapter cannot be merged: what it trains stands in front of the input and is no part of "
            + "any weight.",
        remedy: "Keep it as an adapter.");

    /// <inheritdoc/>
    protected override void UnmergeWeights() => MergeWeights();

    /// <summary>Adds the trained embeddings; to be called first.</summary>
    private protected void AddEmbedding(int rows, int columns, int depth)
    {
        embedding = new Parameter("embedding", rows, columns, StoredLayout.Matrix) { Depth = depth };
        Add(embedding, StoredKey, Qualified("embedding.weight"));
    }

    /// <summary>Adds a dense layer of the encoder, drawn as PyTorch draws its linear layers.</summary>
    private protected DenseLayer AddDense(string name, int to, int from) => new(
        AddPart($"{name}.weight", to, from, StoredLayout.Matrix, 1 / Math.Sqrt(from)),
        AddPart($"{name}.bias", 1, to, StoredLayout.Vector, 1 / Math.Sqrt(from)));

    /// <summary>Adds a parameter of the encoder, drawn uniformly within ± bound.</summary>
    private protected Parameter AddPart(string part, int rows, int columns, StoredLayout layout, double bound)
    {
        var parameter = new Parameter(part, rows, columns, layout) { Depth = embedding.Depth };
        drawn.Add((parameter, bound));
        return Add(parameter, Qualified(part), Qualified(part));
    }

    /// <summary>Gives everything memory and first values; to be called last.</summary>
    private protected void Finish(PromptEncoder? through, int width, bool trainable, ulong seed)
    {
        encoder = through;
        ReplaceModules(Config.ModulesToSave ?? [], "base_model.");
        Allocate(trainable);
        if (encoder is not null) MakeStored(width);
        Draw(0, embedding, (stream, values) => stream.FillNormal(values));
        for (var i = 0; i < drawn.Count; i++)
        {
            var bound = (float)drawn[i].Bound;
            Draw(i + 1, drawn[i].Parameter, (stream, values) => stream.FillUniform(values, -bound, bound));
        }

        void Draw(int index, Parameter parameter, Action<RandomStream, float[]> fill)
        {
            var values = new float[parameter.Count];
            fill(new RandomStream(seed, RandomPurpose.AdapterInitialization, (ulong)index), values);
            HostValues.Upload(Model.Backend, values, parameter.Value);
        }
    }

    /// <summary>Gives the embeddings other first values.</summary>
    private protected void SetEmbedding(ReadOnlySpan<float> values) =>
        HostValues.Upload(Model.Backend, values, embedding.Value);

    private string Qualified(string part) => $"prompt_encoder.{Name}.{part}";

    private void MakeStored(int width)
    {
        storedArena = new Arena(Model.Backend, "adapter");
        runArena = new Arena(Model.Backend, "prompt encoder");
        stored = new Parameter(StoredKey, embedding.Rows, width,
            StoredLayout.Matrix) { Value = storedArena.Allocate(Model.Backend.ParameterType, embedding.Rows, width) };
        var replaced = Entries.Where(e => e.Key.StartsWith("base_model.", StringComparison.Ordinal));
        storedEntries = [new AdapterEntry(stored, StoredKey, StoredKey), .. replaced];
    }

    private Tensor Encode(Pass? pass)
    {
        runArena!.Reset();
        return encoder!.Forward(new EncoderRun(Model.Backend, runArena, pass), embedding.Value);
    }
}
