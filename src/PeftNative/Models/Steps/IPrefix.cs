using PeftNative.Tensors;

namespace PeftNative.Models.Steps;

/// <summary>
/// Trained keys and values that stand in front of every sequence in every layer (prefix tuning). Used by one thread at
/// a time, like its backend.
/// </summary>
public interface IPrefix
{
    /// <summary>Number of prefix positions.</summary>
    int Count { get; }

    /// <summary>Keys and values of a layer, each [count, KvHeads · HeadDim].</summary>
    (Tensor Keys, Tensor Values) At(int layer);

    /// <summary>Gradients of a layer's keys and values, added to; absent when frozen.</summary>
    (Tensor Keys, Tensor Values) GradientAt(int layer);
}
