using PeftNative.Formats.Safetensors;
using PeftNative.Quantization;
using PeftNative.Tensors;

namespace PeftNative.Peft.Merging;

/// <summary>
/// Holds a merged model against base and adapters: as it is in memory, with its numbers rounded to the types it is
/// written in, and as it was written. What it may be off by is what arithmetic and rounding explain, in shares of the
/// largest logit.
/// </summary>
internal sealed class MergeCheck(float[] expected, QuantizationOptions? quantization, DType computed, int adapters,
    bool wasQuantized)
{
    // Sums in another order; weights or activations with 11 bits; with 8 bits; and activations in 8 bits, which the
    // merged model no longer has.
    private const double Exact = 1e-3, Half = 2e-2, BFloat = 0.2, Integers = 0.2;

    private readonly double exact = quantization?.Int8Compute == Int8Compute.Integer ? Integers
        : computed == DType.BFloat16 ? BFloat : computed == DType.Float16 ? Half : Exact;

    /// <summary>The largest logit of base and adapters.</summary>
    internal double LargestLogit { get; } = expected.Max(v => Math.Abs((double)v));

    /// <summary>Checks the model that was merged in memory, before anything is written.</summary>
    /// <exception cref="NumericException">It is off.</exception>
    internal void Merged(float[] logits) => Check(logits, expected, exact, adapters > 1
        ? "Together these adapters are more than a change of weights: use them as they are, or merge one alone."
        : "Use the adapter as it is.");

    /// <summary>Checks the model rounded to the types of its tensors.</summary>
    /// <exception cref="NumericException">It is off by more than these types explain.</exception>
    internal void Rounded(float[] logits, IReadOnlyList<MergedTensor> tensors) =>
        Check(logits, expected, Rounding(tensors));

    /// <summary>
    /// Checks the model as it was written against the rounded one; returns how far it is off base and adapters.
    /// </summary>
    /// <exception cref="NumericException">It is off.</exception>
    internal double Written(float[] logits, float[] rounded, IReadOnlyList<MergedTensor> tensors)
    {
        // What is still quantised was not rounded.
        Check(logits, rounded, wasQuantized ? Rounding(tensors) : exact);
        return Probe.Distance(logits, expected);
    }

    private double Rounding(IReadOnlyList<MergedTensor> tensors) => Math.Max(exact,
        tensors.Any(t => t.Type == StoredType.BF16) ? BFloat : tensors.Any(t => t.Type == StoredType.F16) ? Half : 0);

    private void Check(float[] logits, float[] truth, double share, string? remedy = null)
    {
        var difference = Probe.Distance(logits, truth);
        if (!(difference <= share * LargestLogit))
            throw new NumericException(
                "The merged model does not compute what base and adapter do, so it was not written: "
                + $"a logit is off by {difference:0.###e+0}, the largest is {LargestLogit:0.###e+0}.",
                remedy: remedy ?? "Write it in a type of more bits (--dtype fp32), or use the adapter as it is.");
    }
}
