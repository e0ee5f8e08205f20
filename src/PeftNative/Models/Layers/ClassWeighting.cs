using PeftNative.Ops;

namespace PeftNative.Models.Layers;

/// <summary>
/// Cross-entropy with a factor for every label: Σ w_y ℓ over Σ w_y, as PyTorch's weight has it. Rows that stand
/// together and have the same factor are one operation, whose gradient is times that factor, so every backend can do
/// it. Stateless.
/// </summary>
internal static class ClassWeighting
{
    /// <summary>Runs the record, run by run of equal factors. The losses that it writes are without them.</summary>
    /// <param name="backend">Computes.</param>
    /// <param name="op">The record over all rows.</param>
    /// <param name="labels">Their labels, as many as rows.</param>
    /// <param name="weights">The factors, one for every label.</param>
    internal static void Run(IBackend backend, in CrossEntropyOp op, ReadOnlySpan<int> labels,
        IReadOnlyList<double> weights)
    {
        for (int first = 0, next; first < labels.Length; first = next)
        {
            var weight = weights[labels[first]];
            for (next = first + 1; next < labels.Length && weights[labels[next]] == weight;) next++;
            var count = next - first;
            backend.Run(op with
            {
                Logits = op.Logits.RowRange(first, count), Labels = op.Labels.Slice(first, count),
                Loss = op.Loss.Slice(first, count),
                Correct = op.Correct.IsPresent ? op.Correct.Slice(first, count) : default,
                GradientScale = op.GradientScale * weight,
            });
        }
    }

    /// <summary>The sum of the losses, each times the factor of its label.</summary>
    internal static double Sum(ReadOnlySpan<float> losses, ReadOnlySpan<int> labels, IReadOnlyList<double> weights)
    {
        var sum = 0.0;
        for (var i = 0; i < losses.Length; i++) sum += losses[i] * weights[labels[i]];
        return sum;
    }
}
