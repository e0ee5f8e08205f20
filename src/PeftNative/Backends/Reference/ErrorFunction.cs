namespace PeftNative.Backends.Reference;

/// <summary>The normal distribution through the error function, to a few units in the last place of a double.</summary>
internal static class ErrorFunction
{
    /// <summary>Φ(x), accurate relative to its size in both tails.</summary>
    public static double NormalCdf(double x) => 0.5 * Erfc(-x / Math.Sqrt(2));

    /// <summary>φ(x) = e^(-x²/2) / √(2π).</summary>
    public static double NormalDensity(double x) => Math.Exp(-0.5 * x * x) / Math.Sqrt(2 * Math.PI);

    /// <summary>erf(x) = 2/√π ∫₀ˣ e^(-t²) dt.</summary>
    public static double Erf(double x) => Math.Abs(x) < 2 ? Series(x) : Math.CopySign(1 - Fraction(Math.Abs(x)), x);

    /// <summary>erfc(x) = 1 - erf(x).</summary>
    public static double Erfc(double x) => x >= 2 ? Fraction(x) : x <= -2 ? 2 - Fraction(-x) : 1 - Series(x);

    /// <summary>erf by 2/√π e^(-x²) Σ 2ⁿ x^(2n+1) / (2n+1)!!, whose terms all have one sign (DLMF 7.6.2).</summary>
    private static double Series(double x)
    {
        var (term, sum) = (x, x);
        for (var n = 1; Math.Abs(term) > 1e-18 * Math.Abs(sum); n++)
        {
            term *= 2 * x * x / (2 * n + 1);
            sum += term;
        }
        return 2 / Math.Sqrt(Math.PI) * Math.Exp(-x * x) * sum;
    }

    /// <summary>erfc for x ≥ 2 by the continued fraction of DLMF 7.9.1, evaluated from the back.</summary>
    private static double Fraction(double x)
    {
        const int Depth = 120;
        var tail = x;
        for (var n = Depth; n > 0; n--) tail = x + n / 2.0 / tail;
        return Math.Exp(-x * x) / Math.Sqrt(Math.PI) / tail;
    }
}
