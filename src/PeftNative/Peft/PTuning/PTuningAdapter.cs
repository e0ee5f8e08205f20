using PeftNative.Models;
using PeftNative.Models.Steps;
using PeftNative.Models.Weights;
using PeftNative.Ops;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.VirtualTokens;
using PeftNative.Tensors;

namespace PeftNative.Peft.PTuning;

/// <summary>
/// P-tuning: virtual tokens that an encoder computes from trained embeddings, <c>MLP(E)</c> or <c>MLP(LSTM(E))</c>. The
/// reference's formulas: Linear, ReLU, Linear, ReLU, Linear; or a bidirectional LSTM, Linear(2h, 2h), ReLU, Linear(2h,
/// D). Used by one thread at a time, like its backend.
/// </summary>
public sealed class PTuningAdapter : PromptLearningAdapter, IVirtualTokens
{
    internal PTuningAdapter(TransformerModel model, PTuningConfig config, AdapterStart start)
        : base(model, config, start.Name)
    {
        var (d, h) = (model.Config.HiddenSize, config.EncoderHiddenSize!.Value);
        Count = config.VirtualTokenCount;
        AddEmbedding(Count * config.SubmoduleCount!.Value, d, depth: -1);
        PromptEncoder? encoder = config.IsStored ? null
            : config.Encoder == PromptEncoderKind.Mlp
                ? new MlpEncoder(Activation.Relu, AddDense("mlp_head.0", h, d), AddDense("mlp_head.2", h, h),
                    AddDense("mlp_head.4", d, h))
                : AddLstm(config, d, h);
        Finish(encoder, d, start.IsTrainable, start.Seed);
    }

    /// <inheritdoc/>
    public int Count { get; }

    /// <inheritdoc/>
    public override IVirtualTokens VirtualTokens => this;

    /// <inheritdoc/>
    public Tensor Embeddings => Output;

    /// <inheritdoc/>
    public Tensor Gradient => OutputGradient;

    private LstmEncoder AddLstm(PTuningConfig config, int d, int h)
    {
        var (forward, backward) = (new LstmDirection[config.EncoderLayers], new LstmDirection[config.EncoderLayers]);
        for (var i = 0; i < forward.Length; i++)
        {
            forward[i] = AddDirection(i, i == 0 ? d : 2 * h, h, isReverse: false);
            backward[i] = AddDirection(i, i == 0 ? d : 2 * h, h, isReverse: true);
        }
        var head = new MlpEncoder(Activation.Relu, AddDense("mlp_head.0", 2 * h, 2 * h),
            AddDense("mlp_head.2", d, 2 * h));
        return new LstmEncoder(forward, backward, h, config.EncoderDropout, head);
    }

    private LstmDirection AddDirection(int layer, int from, int h, bool isReverse)
    {
        return new LstmDirection(Weight("ih", from), Bias("ih"), Weight("hh", h), Bias("hh"), isReverse);

        string Part(string kind, string side) => $"lstm_head.{kind}_{side}_l{layer}{(isReverse ? "_reverse" : "")}";
        Parameter Weight(string side, int width) =>
            AddPart(Part("weight", side), 4 * h, width, StoredLayout.Matrix, 1 / Math.Sqrt(h));
        Parameter Bias(string side) => AddPart(Part("bias", side), 1, 4 * h, StoredLayout.Vector, 1 / Math.Sqrt(h));
    }
}
