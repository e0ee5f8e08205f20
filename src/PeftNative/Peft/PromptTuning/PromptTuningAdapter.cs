using PeftNative.Determinism;
using PeftNative.Models;
using PeftNative.Models.Steps;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.VirtualTokens;
using PeftNative.Tensors;

namespace PeftNative.Peft.PromptTuning;

/// <summary>
/// Prompt tuning: trained embeddings stand in front of the sequence, as virtual tokens at positions of their own. Used
/// by one thread at a time, like its backend.
/// </summary>
public sealed class PromptTuningAdapter : PromptLearningAdapter, IVirtualTokens
{
    // The words a prompt starts from are drawn apart from what else the seed decides.
    private const ulong SampleStream = 1UL << 32;

    internal PromptTuningAdapter(TransformerModel model, PromptTuningConfig config, AdapterStart start)
        : base(model, config, start.Name)
    {
        Count = config.VirtualTokenCount;
        var rows = Count * config.SubmoduleCount!.Value;
        AddEmbedding(rows, model.Config.HiddenSize, depth: -1);
        Finish(through: null, model.Config.HiddenSize, start.IsTrainable, start.Seed);
        if (config.IsStored || config.Initialization == PromptInitialization.Random) return;
        var random = new RandomStream(start.Seed, RandomPurpose.AdapterInitialization, SampleStream);
        var vocabulary = model.Config.VocabularySize;
        StartFrom([.. Enumerable.Range(0, rows).Select(i => config.Initialization == PromptInitialization.Text
            ? config.InitTokens![i % config.InitTokens.Count] : random.Below(vocabulary, (ulong)i))]);
    }

    /// <inheritdoc/>
    public int Count { get; }

    /// <inheritdoc/>
    public override IVirtualTokens VirtualTokens => this;

    /// <inheritdoc/>
    public Tensor Embeddings => Output;

    /// <inheritdoc/>
    public Tensor Gradient => OutputGradient;

    // As the model sees the tokens, so with its scale. A longer text is cut off, a shorter one repeated.
    private void StartFrom(int[] tokens)
    {
        var width = Model.Config.HiddenSize;
        var table = Model.Embedding.Table.Value;
        var values = new float[tokens.Length * width];
        for (var i = 0; i < tokens.Length; i++)
        {
            if ((uint)tokens[i] >= (uint)table.Rows)
                throw new DataException(
                    $"The token id {tokens[i]} lies outside the model's table of {table.Rows} rows.",
                    remedy: "The tokenizer and the model do not belong together.");
            HostValues.Download(Model.Backend, table.RowRange(tokens[i], 1), values.AsSpan(i * width, width));
        }
        foreach (ref var value in values.AsSpan()) value *= (float)Model.Config.EmbeddingScale;
        SetEmbedding(values);
    }
}
