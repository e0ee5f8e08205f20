namespace PeftNative.Models.Families;

/// <summary>
/// Where a family keeps its modules in the Hugging Face module tree. Names of layers are relative to the layer, those
/// of the backbone relative to <see cref="Backbone"/>.
/// </summary>
public sealed record ModuleNames
{
    /// <summary>
    /// The attribute that holds the backbone inside a model with a head: transformer, model, bert; empty where there is
    /// none (T5).
    /// </summary>
    public required string Backbone { get; init; }

    /// <summary>Token embedding.</summary>
    public required string TokenEmbedding { get; init; }

    /// <summary>
    /// Whether the stacks read the token embedding through modules of their own that are tied to it (T5's
    /// encoder.embed_tokens and decoder.embed_tokens), so that an adapter on the embedding's own module has no effect
    /// in PEFT.
    /// </summary>
    public bool IsEmbeddingBypassed { get; init; }

    /// <summary>Learned position embedding, or null.</summary>
    public string? PositionEmbedding { get; init; }

    /// <summary>Whether the position table has as many rows more than positions as its offset says (OPT).</summary>
    public bool HasPositionMargin { get; init; }

    /// <summary>Token type embedding, or null.</summary>
    public string? TypeEmbedding { get; init; }

    /// <summary>Norm after the embeddings, or null.</summary>
    public string? EmbeddingNorm { get; init; }

    /// <summary>A layer, with {0} for its number.</summary>
    public required string Layer { get; init; }

    /// <summary>One projection for query, key and value side by side, or null.</summary>
    public string? FusedQkv { get; init; }

    /// <summary>
    /// Whether the fused projection has query, key and value of one head side by side, head after head (GPT-NeoX).
    /// </summary>
    public bool FusedByHead { get; init; }

    /// <summary>Query projection; unused when fused.</summary>
    public string Query { get; init; } = "";

    /// <summary>Key projection; unused when fused.</summary>
    public string Key { get; init; } = "";

    /// <summary>Value projection; unused when fused.</summary>
    public string Value { get; init; } = "";

    /// <summary>Attention's output projection.</summary>
    public required string AttentionOutput { get; init; }

    /// <summary>Norm of the attention sub-block; unused where norms stand at outputs alone.</summary>
    public string AttentionNorm { get; init; } = "";

    /// <summary>Second norm of the attention sub-block, where norms stand on both sides.</summary>
    public string? AttentionPostNorm { get; init; }

    /// <summary>Norm of each query head, or null.</summary>
    public string? QueryNorm { get; init; }

    /// <summary>Norm of each key head, or null.</summary>
    public string? KeyNorm { get; init; }

    /// <summary>Relative position bias of the first layer of a stack, or null.</summary>
    public string? RelativeBias { get; init; }

    /// <summary>The decoder's attention to the encoder, or null.</summary>
    internal CrossAttentionNames? Cross { get; init; }

    /// <summary>The encoder's layers, where these names are a decoder's; null for models of one stack.</summary>
    public ModuleNames? Encoder { get; init; }

    /// <summary>Gate projection, or null where the feed-forward block is not gated.</summary>
    public string? Gate { get; init; }

    /// <summary>Gate and up projection in one, gate first, or null.</summary>
    public string? FusedGateUp { get; init; }

    /// <summary>Up projection (the first of the feed-forward block); unused when fused.</summary>
    public string Up { get; init; } = "";

    /// <summary>
    /// Up projection beside a gate, where that has another name than the one of a block without a gate.
    /// </summary>
    public string? GatedUp { get; init; }

    /// <summary>Down projection (the last of the feed-forward block).</summary>
    public required string Down { get; init; }

    /// <summary>
    /// Norm of the feed-forward sub-block; unused where the attention's serves for both, or norms stand at outputs
    /// alone.
    /// </summary>
    public string FeedForwardNorm { get; init; } = "";

    /// <summary>Second norm of the feed-forward sub-block, where norms stand on both sides.</summary>
    public string? FeedForwardPostNorm { get; init; }

    /// <summary>Norm after the last layer, or null.</summary>
    public string? FinalNorm { get; init; }

    /// <summary>Dense layer in front of a sequence classifier, from the root, or null.</summary>
    public string? Pooler { get; init; }

    /// <summary>Activation of the pooler.</summary>
    public Ops.Activation PoolerActivation { get; init; } = Ops.Activation.Tanh;

    /// <summary>Language model head, from the root; null where the family generates nothing.</summary>
    public string? LanguageModelHead { get; init; }

    /// <summary>Whether it has a bias.</summary>
    public bool LanguageModelBias { get; init; }

    /// <summary>Classifier of sequences, from the root.</summary>
    public required string SequenceHead { get; init; }

    /// <summary>Classifier of tokens, from the root.</summary>
    public required string TokenHead { get; init; }

    /// <summary>Whether the classifiers have a bias: (sequence, token).</summary>
    public required (bool Sequence, bool Token) HeadBias { get; init; }

    /// <summary>Whether the layers' linear weights are stored [in, out] (Conv1D).</summary>
    public bool Conv1D { get; init; }

    /// <summary>A name of the backbone as the whole model spells it.</summary>
    internal string Under(string name) => Backbone.Length == 0 ? name : $"{Backbone}.{name}";

    /// <summary>Path of a layer in the whole model.</summary>
    internal string LayerPath(int layer) =>
        Under(string.Format(System.Globalization.CultureInfo.InvariantCulture, Layer, layer));

    /// <summary>Whether a parameter of the model belongs to the backbone, and not to a head on top of it.</summary>
    internal bool IsInBackbone(string parameter) => Backbone.Length > 0
        ? parameter.StartsWith(Backbone + ".", StringComparison.Ordinal)
        : LanguageModelHead is null || !parameter.StartsWith(LanguageModelHead + ".", StringComparison.Ordinal);
}

/// <summary>Names of a decoder's attention to its encoder, relative to the layer.</summary>
/// <param name="Norm">Norm of the sub-block.</param>
/// <param name="Query">Query projection.</param>
/// <param name="Key">Key projection.</param>
/// <param name="Value">Value projection.</param>
/// <param name="Output">Output projection.</param>
internal sealed record CrossAttentionNames(string Norm, string Query, string Key, string Value, string Output);
