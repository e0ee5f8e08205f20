namespace PeftNative.Models.Config;

/// <summary>What a module is for, whatever its family calls it.</summary>
public enum ModuleRole
{
    /// <summary>Table of tokens.</summary>
    TokenEmbedding,

    /// <summary>Table of positions.</summary>
    PositionEmbedding,

    /// <summary>Table of token types.</summary>
    TypeEmbedding,

    /// <summary>Norm after the embeddings.</summary>
    EmbeddingNorm,

    /// <summary>Norm of the attention sub-block: before it, or after the sum.</summary>
    AttentionNorm,

    /// <summary>Query projection.</summary>
    Query,

    /// <summary>Key projection.</summary>
    Key,

    /// <summary>Value projection.</summary>
    Value,

    /// <summary>Query, key and value in one projection.</summary>
    FusedQkv,

    /// <summary>Norm of the queries.</summary>
    QueryNorm,

    /// <summary>Norm of the keys.</summary>
    KeyNorm,

    /// <summary>Relative position bias.</summary>
    RelativeBias,

    /// <summary>Attention's output projection.</summary>
    AttentionOutput,

    /// <summary>Norm of what attention puts out, before the sum.</summary>
    AttentionPostNorm,

    /// <summary>Norm of the feed-forward sub-block: before it, or after the sum.</summary>
    FeedForwardNorm,

    /// <summary>Gate projection.</summary>
    Gate,

    /// <summary>Up projection: the first of a feed-forward block without a gate.</summary>
    Up,

    /// <summary>Gate and up in one projection.</summary>
    FusedGateUp,

    /// <summary>Down projection.</summary>
    Down,

    /// <summary>Norm of what the feed-forward block puts out, before the sum.</summary>
    FeedForwardPostNorm,

    /// <summary>Norm of a decoder's attention to its encoder.</summary>
    CrossNorm,

    /// <summary>Norm after the last layer of a stack.</summary>
    FinalNorm,

    /// <summary>Dense layer in front of a classifier.</summary>
    Pooler,

    /// <summary>The output: scores of tokens or labels.</summary>
    Head,
}
