namespace PeftNative.Lab.Verification;

/// <summary>The measure of recorded cases: max |x - y| / max(1e-6, max |y|).</summary>
public static class RelativeError
{
    /// <summary>The error; NaN when a value is not a number, infinite when the lengths differ.</summary>
    /// <param name="actual">What was computed.</param>
    /// <param name="expected">What was recorded.</param>
    /// <param name="noise">Absolute differences up to this count as none.</param>
    public static double Of(ReadOnlySpan<float> actual, ReadOnlySpan<float> expected, double noise = 0)
    {
        if (actual.Length != expected.Length) return double.PositiveInfinity;
        double largest = 0, difference = 0;
        for (var i = 0; i < actual.Length; i++)
        {
            var d = Math.Abs((double)actual[i] - expected[i]);
            if (double.IsNaN(d)) return double.NaN;
            difference = Math.Max(difference, d);
            largest = Math.Max(largest, Math.Abs(expected[i]));
        }
        return difference <= noise ? 0 : difference / Math.Max(1e-6, largest);
    }
}
