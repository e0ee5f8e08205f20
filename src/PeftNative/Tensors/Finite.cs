using System.Numerics;

namespace PeftNative.Tensors;

/// <summary>Looks for numbers that are infinite, or none at all, before they are kept or answered with.</summary>
internal static class Finite
{
    /// <summary>What to do about a model that computes such numbers.</summary>
    internal const string Remedy =
        "Look for such numbers in base and adapter ('inspect' counts them), or compute in fp32.";

    /// <summary>Whether all are finite.</summary>
    internal static bool All(ReadOnlySpan<float> values)
    {
        var width = Vector<float>.Count;
        for (; values.Length >= width; values = values[width..])
        {
            // Infinity less itself is no number, and no number equals nothing.
            var part = new Vector<float>(values);
            if (!Vector.EqualsAll(part - part, Vector<float>.Zero)) return false;
        }
        foreach (var value in values)
            if (!float.IsFinite(value)) return false;
        return true;
    }

    /// <summary>Whether those that are finite stay so when they are rounded to a type.</summary>
    internal static bool Fit(ReadOnlySpan<float> values, DType type)
    {
        var largest = 0f;
        foreach (var value in values)
            if (float.IsFinite(value)) largest = Math.Max(largest, Math.Abs(value));
        float[] rounded = [largest];
        HostValues.Round(rounded, type);
        return float.IsFinite(rounded[0]);
    }
}
