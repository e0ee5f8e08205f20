using PeftNative.Models.Weights;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Peft.Adapters;

/// <summary>
/// All parameters of an adapter in one flat buffer, and their gradients in another, so that the optimizer, the gradient
/// norm and the finite check are one call each. Every parameter starts at a multiple of 16 elements; the gaps stay
/// zero. Used by one thread at a time, like its backend.
/// </summary>
public sealed class TrainableBuffer : IDisposable
{
    private const int Alignment = 16;
    private readonly Arena arena;

    /// <summary>Gives the parameters their place; values start at zero.</summary>
    public TrainableBuffer(IBackend backend, IReadOnlyList<Parameter> parameters, bool withGradients)
    {
        arena = new Arena(backend, "adapter");
        var offsets = new int[parameters.Count];
        var total = 0;
        for (var i = 0; i < offsets.Length; i++)
        {
            offsets[i] = total;
            total = checked(total + (int)((parameters[i].Count + Alignment - 1) / Alignment * Alignment));
        }
        Values = Cut(backend, total);
        if (withGradients) Gradients = Cut(backend, total);
        for (var i = 0; i < offsets.Length; i++)
        {
            var p = parameters[i];
            p.Value = Values.Slice(offsets[i], (int)p.Count).Reshape(p.Rows, p.Columns);
            p.Gradient = withGradients ? Gradients.Slice(offsets[i], (int)p.Count).Reshape(p.Rows, p.Columns) : default;
        }
    }

    /// <summary>All values [1, n].</summary>
    public Tensor Values { get; }

    /// <summary>All gradients [1, n]; absent for adapters loaded for use only.</summary>
    public Tensor Gradients { get; }

    /// <summary>
    /// Called before and after every step of an optimizer, for parameters that depend on each other; or null.
    /// </summary>
    internal (Action Before, Action After)? AroundStep { get; set; }

    /// <inheritdoc/>
    public void Dispose() => arena.Dispose();

    private Tensor Cut(IBackend backend, int count)
    {
        var tensor = arena.Allocate(backend.ParameterType, 1, count);
        backend.Fill(tensor, 0);
        return tensor;
    }
}
