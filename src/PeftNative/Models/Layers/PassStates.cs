using PeftNative.Models.Steps;

namespace PeftNative.Models.Layers;

/// <summary>
/// What the parts of a model keep between forward and backward of a pass. Used by one thread at a time.
/// </summary>
internal sealed class PassStates(IReadOnlyList<SubBlock> blocks)
{
    private readonly EmbeddingSite.State targetEmbedding = new(), sourceEmbedding = new();

    /// <summary>The sub-blocks, by their depth.</summary>
    public SubBlockState[] Blocks { get; } = [.. blocks.Select(b => b.NewState())];

    /// <summary>The norm above the encoder.</summary>
    public NormState EncoderNorm { get; } = new();

    /// <summary>The head.</summary>
    public ModelHead.State Head { get; } = new();

    /// <summary>The embedding, for the stream at work.</summary>
    public EmbeddingSite.State Embedding(StepRows rows) =>
        rows.Stream == rows.Target ? targetEmbedding : sourceEmbedding;
}
