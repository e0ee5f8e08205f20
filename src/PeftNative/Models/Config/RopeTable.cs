namespace PeftNative.Models.Config;

/// <summary>
/// Cosines and sines of rotary positions. Frequencies and angles are rounded to float32 where the reference rounds
/// them, because at large positions that rounding is larger than the tolerance of a comparison.
/// </summary>
internal static class RopeTable
{
    /// <summary>
    /// Frequencies for sequences of up to <paramref name="length"/> tokens, and the factor on cosines and sines.
    /// </summary>
    /// <returns>RotaryDim / 2 frequencies in radians per position.</returns>
    public static (float[] Frequencies, double Scale) Frequencies(RopeSettings rope, int length)
    {
        var half = rope.RotaryDim / 2;
        var theta = rope.Type == "dynamic" ? DynamicTheta(rope, length) : rope.Theta;
        var frequencies = new float[half];
        for (var i = 0; i < half; i++)
            frequencies[i] = 1f / (float)Math.Pow(theta, (float)(2 * i) / rope.RotaryDim);

        switch (rope.Type)
        {
            case "linear":
                for (var i = 0; i < half; i++) frequencies[i] /= (float)rope.Factor;
                break;
            case "llama3":
                for (var i = 0; i < half; i++) frequencies[i] = Llama3(rope, frequencies[i]);
                break;
            case "longrope":
                var divisors = length > rope.OriginalMaxPositions ? rope.LongFactors : rope.ShortFactors;
                for (var i = 0; i < half; i++)
                    frequencies[i] = 1f
                        / ((float)divisors[i] * (float)Math.Pow(theta, (float)(2 * i) / rope.RotaryDim));
                return (frequencies, LongRopeScale(rope));
            case "yarn":
                Yarn(rope, frequencies);
                return (frequencies, YarnScale(rope));
        }
        return (frequencies, 1);
    }

    /// <summary>Fills cos and sin, each [length, RotaryDim / 2] row by row.</summary>
    public static void Fill(RopeSettings rope, int length, Span<double> cos, Span<double> sin)
    {
        var (frequencies, scale) = Frequencies(rope, length);
        for (int p = 0, k = 0; p < length; p++)
        for (var i = 0; i < frequencies.Length; i++, k++)
        {
            double angle = frequencies[i] * p;
            cos[k] = Math.Cos(angle) * scale;
            sin[k] = Math.Sin(angle) * scale;
        }
    }

    // The base grows with the sequence once that is longer than the model was made for (bloc97's "dynamic NTK").
    private static double DynamicTheta(RopeSettings rope, int length)
    {
        double n = Math.Max(length, rope.OriginalMaxPositions), d = rope.RotaryDim;
        return rope.Theta * Math.Pow(rope.Factor * n / rope.OriginalMaxPositions - (rope.Factor - 1), d / (d - 2));
    }

    // Llama 3.1: long waves are stretched, short ones kept, those between interpolated.
    private static float Llama3(RopeSettings rope, float frequency)
    {
        var wavelength = 2 * Math.PI / frequency;
        if (wavelength < rope.OriginalMaxPositions / rope.HighFrequencyFactor) return frequency;
        if (wavelength > rope.OriginalMaxPositions / rope.LowFrequencyFactor) return (float)(frequency / rope.Factor);
        var smooth = (rope.OriginalMaxPositions / wavelength - rope.LowFrequencyFactor)
            / (rope.HighFrequencyFactor - rope.LowFrequencyFactor);
        return (float)((1 - smooth) * frequency / rope.Factor + smooth * frequency);
    }

    // Peng et al. 2023, arXiv:2309.00071: a ramp over dimensions between the two rotation counts.
    private static void Yarn(RopeSettings rope, Span<float> frequencies)
    {
        var low = CorrectionDim(rope, rope.BetaFast);
        var high = CorrectionDim(rope, rope.BetaSlow);
        if (rope.Truncate) (low, high) = (Math.Floor(low), Math.Ceiling(high));
        low = Math.Max(low, 0);
        high = Math.Min(high, rope.RotaryDim - 1);
        if (low == high) high += 0.001;
        for (var i = 0; i < frequencies.Length; i++)
        {
            var kept = 1 - Math.Clamp((i - low) / (high - low), 0, 1);
            frequencies[i] = (float)(frequencies[i] / rope.Factor * (1 - kept) + frequencies[i] * kept);
        }
    }

    private static double CorrectionDim(RopeSettings rope, double rotations) =>
        rope.RotaryDim * Math.Log(rope.OriginalMaxPositions / (rotations * 2 * Math.PI)) / (2 * Math.Log(rope.Theta));

    // Ding et al. 2024, arXiv:2402.13753, with the attention factor of Phi-3.
    private static double LongRopeScale(RopeSettings rope) => rope.AttentionFactor
        ?? (rope.Factor <= 1 ? 1 : Math.Sqrt(1 + Math.Log(rope.Factor) / Math.Log(rope.OriginalMaxPositions)));

    private static double YarnScale(RopeSettings rope)
    {
        if (rope.AttentionFactor is { } given) return given;
        static double MScale(double factor, double m) => factor <= 1 ? 1 : 0.1 * m * Math.Log(factor) + 1;
        return rope is { MScale: > 0, MScaleAllDim: > 0 }
            ? MScale(rope.Factor, rope.MScale.Value) / MScale(rope.Factor, rope.MScaleAllDim.Value)
            : MScale(rope.Factor, 1);
    }
}
