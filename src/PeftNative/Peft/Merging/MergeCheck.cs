using PeftNative.Formats;
using PeftNative.Quantization;

namespace PeftNative.Peft.Merging;

/// <summary>Holds a merged model against base and adapters: what it may be off by is what rounding explains, in shares of the largest logit.</summary>
internal sealed class MergeCheck(float[] expected, QuantizationOptions? quantization)
{
    // Sums in another order; weights with 11 bits; with 8 bits; and activations in 8 bits, which the merged model no longer has.
    private const double Exact = 1e-3, Half = 2e-2, BFloat = 0.15, Integers = 0.2;

    /// <summary>The largest logit of base and adapters.</summary>
    internal double LargestLogit { get; } = expected.Max(v => Math.Abs((double)v));

    /// <summary>Checks the model that was merged in memory, before anything is written.</summary>
    /// <exception cref="NumericException">It is off.</exception>
    internal void InMemory(float[] logits) => Check(logits, quantization?.Int8Compute == Int8Compute.Integer ? Integers : Exact);

    /// <summary>Checks the model as it was written; returns how far it is off.</summary>
    /// <exception cref="NumericException">It is off by more than its stored types explain.</exception>
    internal double OfFiles(float[] logits, IReadOnlyList<MergedTensor> tensors)
    {
        var changed = tensors.Select(t => t.Type).ToHashSet();
        var rounding = changed.Contains(StoredType.BF16) ? BFloat : changed.Contains(StoredType.F16) ? Half : Exact;
        return Check(logits, quantization?.Int8Compute == Int8Compute.Integer ? Math.Max(Integers, rounding) : rounding);
    }

    private double Check(float[] logits, double share)
    {
        var difference = Probe.Distance(logits, expected);
        return difference <= share * LargestLogit ? difference : throw new NumericException(
            "The merged model does not compute what base and adapter do, so it was not written: "
            + $"a logit is off by {difference:0.###e+0}, the largest is {LargestLogit:0.###e+0}.",
            remedy: "Use the adapter as it is; if its numbers are sound, a type of more bits (--dtype fp32) may be what it needs.");
    }
}
