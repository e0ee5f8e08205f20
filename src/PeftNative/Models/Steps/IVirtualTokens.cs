using PeftNative.Tensors;

namespace PeftNative.Models.Steps;

/// <summary>
/// Trained embeddings that stand in front of every sequence (prompt tuning, P-tuning). Used by one thread at a time,
/// like its backend.
/// </summary>
public interface IVirtualTokens
{
    /// <summary>Number of virtual tokens.</summary>
    int Count { get; }

    /// <summary>Their embeddings [count, D].</summary>
    Tensor Embeddings { get; }

    /// <summary>Gradient of the embeddings, added to; absent when frozen.</summary>
    Tensor Gradient { get; }
}
