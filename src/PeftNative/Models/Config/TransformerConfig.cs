using PeftNative.Ops;

namespace PeftNative.Models.Config;

/// <summary>Where the norm of a sub-block (attention, feed-forward) stands.</summary>
public enum NormPlacement
{
    /// <summary>x + body(norm(x)): GPT-2, Llama.</summary>
    Before,

    /// <summary>norm(x + body(x)): BERT.</summary>
    After,

    /// <summary>x + norm(body(norm(x))): Gemma 2 and 3.</summary>
    Around,

    /// <summary>x + norm(body(x)): OLMo 2.</summary>
    Output,
}

/// <summary>
/// A transformer in the engine's own words: every family reads its config.json into this record, and one model is built
/// from it. Immutable.
/// </summary>
public sealed record TransformerConfig
{
    /// <summary>model_type of config.json: gpt2, llama, bert, ...</summary>
    public required string ModelType { get; init; }

    /// <summary>Width of the residual stream, D.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>What each layer has of its own, from the bottom.</summary>
    public required IReadOnlyList<LayerPlan> Layers { get; init; }

    /// <summary>Number of layers, L.</summary>
    public int LayerCount => Layers.Count;

    /// <summary>Query heads, H.</summary>
    public required int HeadCount { get; init; }

    /// <summary>Key/value heads; divides <see cref="HeadCount"/>.</summary>
    public required int KvHeadCount { get; init; }

    /// <summary>Width of a head.</summary>
    public required int HeadDim { get; init; }

    /// <summary>Inner width of the feed-forward block, F.</summary>
    public required int FeedForwardSize { get; init; }

    /// <summary>Rows of the token embedding, V.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Largest sequence the model was made for.</summary>
    public required int MaxPositions { get; init; }

    /// <summary>Which normalisation.</summary>
    public required NormKind Norm { get; init; }

    /// <summary>ε of the norms.</summary>
    public required double NormEpsilon { get; init; }

    /// <summary>0, or 1 where checkpoints store a norm's gain minus 1 (Gemma).</summary>
    public double NormGammaOffset { get; init; }

    /// <summary>Where the norms stand.</summary>
    public required NormPlacement NormPlacement { get; init; }

    /// <summary>
    /// Whether both sub-blocks of a layer read its input: x + attention(norm(x)) + feedforward(norm'(x)) (GPT-NeoX).
    /// </summary>
    public bool ParallelResidual { get; init; }

    /// <summary>Whether one norm in front of a layer serves both of its sub-blocks (Phi).</summary>
    public bool SharesNorm { get; init; }

    /// <summary>Factor on what a sub-block adds to the stream.</summary>
    public double ResidualScale { get; init; } = 1;

    /// <summary>Activation of the feed-forward block.</summary>
    public required Activation Activation { get; init; }

    /// <summary>Whether the feed-forward block is gated (SwiGLU).</summary>
    public bool Gated { get; init; }

    /// <summary>Whether a token sees only what came before.</summary>
    public required bool Causal { get; init; }

    /// <summary>Soft cap of attention scores; 0 for none.</summary>
    public double AttentionSoftCap { get; init; }

    /// <summary>Soft cap of the language model's scores; 0 for none.</summary>
    public double FinalSoftCap { get; init; }

    /// <summary>
    /// Buckets of the relative position bias that the first layer of a stack holds for all of them (T5); 0 for none.
    /// </summary>
    public int RelativeBuckets { get; init; }

    /// <summary>Distance beyond which all keys share a bucket.</summary>
    public int RelativeMaxDistance { get; init; }

    /// <summary>Added to every position before the table of learned positions is read (OPT, RoBERTa).</summary>
    public int PositionOffset { get; init; }

    /// <summary>
    /// The encoder in front of a decoder that looks at it (T5); null for models of one stack. This record is then the
    /// decoder's.
    /// </summary>
    public TransformerConfig? Encoder { get; init; }

    /// <summary>The token a decoder starts from, where there is an encoder.</summary>
    public int DecoderStartTokenId { get; init; }

    /// <summary>Factor on the stream in front of the language model's head.</summary>
    public double HeadScale { get; init; } = 1;

    /// <summary>Factor on token embeddings; virtual tokens are taken as they are.</summary>
    public double EmbeddingScale { get; init; } = 1;

    /// <summary>Factor on the stream below the first layer, virtual tokens and all.</summary>
    public double InputScale { get; init; } = 1;

    /// <summary>Rows of the token type table; 0 where there is none.</summary>
    public int TypeVocabularySize { get; init; }

    /// <summary>Whether queries and keys are normalised, where the family has names for it.</summary>
    public bool NormalizesHeads { get; init; } = true;

    /// <summary>Whether that is done over all heads together, and not head by head.</summary>
    public bool NormalizesHeadsTogether { get; init; }

    /// <summary>Whether that is done behind the rotation, and not in front of it.</summary>
    public bool NormalizesRotatedHeads { get; init; }

    /// <summary>Whether query, key and value projections have a bias.</summary>
    public bool AttentionBias { get; init; }

    /// <summary>Whether attention's output projection has a bias.</summary>
    public bool AttentionOutputBias { get; init; }

    /// <summary>Whether the feed-forward projections have a bias.</summary>
    public bool FeedForwardBias { get; init; }

    /// <summary>
    /// tie_word_embeddings of config.json: whether the language model head is the token embedding, unless the
    /// checkpoint holds another one.
    /// </summary>
    public bool TieWordEmbeddings { get; init; }

    /// <summary>
    /// Whether the family ties head and embedding whatever <see cref="TieWordEmbeddings"/> says (T5).
    /// </summary>
    public bool AlwaysTies { get; init; }

    /// <summary>Whether head and embedding are one, unless the checkpoint holds two.</summary>
    internal bool IsTied => TieWordEmbeddings || AlwaysTies;

    /// <summary>Standard deviation for parameters that a checkpoint lacks.</summary>
    public double InitializerRange { get; init; } = 0.02;

    /// <summary>Labels by number, from id2label; empty where none are given.</summary>
    public IReadOnlyList<string> Labels { get; init; } = [];

    /// <summary>problem_type of config.json, or null.</summary>
    public ProblemType? ProblemType { get; init; }

    /// <summary>The task config.json's architecture stands for, or null.</summary>
    public ModelTask? Task { get; init; }

    /// <summary>End-of-sequence ids; may be empty.</summary>
    public IReadOnlyList<int> EosTokenIds { get; init; } = [];

    /// <summary>Padding id, or null.</summary>
    public int? PadTokenId { get; init; }

    /// <summary>The same with other plans of its layers, each made from the old one and its number.</summary>
    internal TransformerConfig WithLayers(Func<LayerPlan, int, LayerPlan> change) =>
        this with { Layers = [.. Layers.Select(change)] };

    /// <summary>Columns of the query projection.</summary>
    public int QuerySize => HeadCount * HeadDim;

    /// <summary>Columns of the key (or value) projection.</summary>
    public int KvSize => KvHeadCount * HeadDim;
}

/// <summary>Rotary position embedding as config.json describes it, in its transformers 4 or 5 spelling.</summary>
public sealed record RopeSettings
{
    /// <summary>Base of the frequencies.</summary>
    public required double Theta { get; init; }

    /// <summary>Columns of a head that turn; even.</summary>
    public required int RotaryDim { get; init; }

    /// <summary>default, linear, dynamic, yarn, llama3 or longrope.</summary>
    public string Type { get; init; } = "default";

    /// <summary>Stretching factor.</summary>
    public double Factor { get; init; } = 1;

    /// <summary>Largest position before stretching.</summary>
    public int OriginalMaxPositions { get; init; }

    /// <summary>llama3: wavelengths beyond original / this are divided by the factor.</summary>
    public double LowFrequencyFactor { get; init; } = 1;

    /// <summary>llama3: wavelengths below original / this stay.</summary>
    public double HighFrequencyFactor { get; init; } = 4;

    /// <summary>yarn: rotations above which a dimension stays.</summary>
    public double BetaFast { get; init; } = 32;

    /// <summary>yarn: rotations below which a dimension is divided by the factor.</summary>
    public double BetaSlow { get; init; } = 1;

    /// <summary>longrope: divisors of the frequencies for sequences up to the original length.</summary>
    public IReadOnlyList<double> ShortFactors { get; init; } = [];

    /// <summary>longrope: divisors for longer sequences.</summary>
    public IReadOnlyList<double> LongFactors { get; init; } = [];

    /// <summary>yarn, longrope: factor on cosines and sines; null for the formula.</summary>
    public double? AttentionFactor { get; init; }

    /// <summary>yarn: mscale, where given.</summary>
    public double? MScale { get; init; }

    /// <summary>yarn: mscale_all_dim, where given.</summary>
    public double? MScaleAllDim { get; init; }

    /// <summary>yarn: whether the ramp's borders are rounded to whole dimensions.</summary>
    public bool Truncate { get; init; } = true;
}
