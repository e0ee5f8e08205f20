using PeftNative.Models;
using PeftNative.Models.Steps;
using PeftNative.Ops;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.VirtualTokens;
using PeftNative.Tensors;

namespace PeftNative.Peft.PrefixTuning;

/// <summary>
/// Prefix tuning: every layer's attention sees trained keys and values in front of the sequence's own. A row of the
/// trained matrix is a prefix position: for each layer its key, then its value, heads side by side. Keys are used as
/// they are, without rotation. With a projection the matrix is <c>Linear(tanh(Linear(E)))</c>. Used by one thread at a
/// time, like its backend.
/// </summary>
public sealed class PrefixTuningAdapter : PromptLearningAdapter, IPrefix
{
    private readonly int kvSize;

    internal PrefixTuningAdapter(TransformerModel model, PrefixTuningConfig config, AdapterStart start)
        : base(model, config, start.Name)
    {
        kvSize = config.TokenDim!.Value;
        Count = config.VirtualTokenCount;
        var (width, h) = (config.LayerCount!.Value * 2 * kvSize, config.EncoderHiddenSize!.Value);
        var isDirect = config.IsStored || !config.UsesProjection;
        AddEmbedding(Count, isDirect ? width : kvSize, depth: model.Decoder.FirstDepth);
        Finish(isDirect ? null
            : new MlpEncoder(Activation.Tanh, AddDense("transform.0", h, kvSize), AddDense("transform.2", width, h)),
            width, start.IsTrainable, start.Seed);
        if (config.StartsAtZero) Clear(isDirect);
    }

    /// <inheritdoc/>
    public int Count { get; }

    /// <inheritdoc/>
    public override IPrefix Prefix => this;

    /// <inheritdoc/>
    public (Tensor Keys, Tensor Values) At(int layer) => Split(Output, Stored(layer));

    /// <inheritdoc/>
    public (Tensor Keys, Tensor Values) GradientAt(int layer) => OutputGradient.IsPresent
        ? Split(OutputGradient, Stored(layer)) : default;

    // Of an encoder-decoder model the reference makes four parts for each of the decoder's layers out of twice the
    // matrix and drops the two meant for the attention to the encoder; so of the stored layers only every other is
    // seen, and the encoder sees none.
    private int Stored(int layer) => Model.Config.Encoder is null ? layer : 2 * layer % Model.Config.Encoder.LayerCount;

    private (Tensor, Tensor) Split(in Tensor all, int layer) =>
        (all.Slice(2 * layer * kvSize, kvSize), all.Slice((2 * layer + 1) * kvSize, kvSize));

    private void Clear(bool isDirect)
    {
        foreach (var entry in Entries)
            if (isDirect ? entry.Parameter.Name == "embedding"
                : entry.Parameter.Name.StartsWith("transform.2.", StringComparison.Ordinal))
                Model.Backend.Fill(entry.Parameter.Value, 0);
    }
}
