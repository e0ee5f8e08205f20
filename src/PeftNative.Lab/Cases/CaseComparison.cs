namespace PeftNative.Lab.Cases;

/// <summary>
/// One result of a run: its elements row by row as doubles, and the bytes it was read from, guard zones included.
/// </summary>
internal sealed record CaseOutput(string Name, Match Match, Func<int, double>? Noise, int Rows, int Columns,
    double[] Values, byte[] Bytes)
{
    /// <summary>The value of elements nobody wrote: a NaN whose bits are all one, which no computation gives.</summary>
    public static readonly double UntouchedValue = BitConverter.Int64BitsToDouble(-1);

    public static bool IsUntouched(double value) => BitConverter.DoubleToInt64Bits(value) == -1;
}

/// <summary>
/// Compares results with those of the reference. An error counts relative to the row it is in (narrow outputs: to the
/// whole), so that large rows do not hide small ones. Every test is written so that NaN fails it.
/// </summary>
internal sealed class CaseComparison(CaseLimits limits, Func<IReadOnlyList<CaseOutput>[]> perturb)
{
    private const int NarrowestRow = 8;
    private const double LargestExactInteger = 1 << 22;
    private const double DoubleLimit = 1e-24;

    private IReadOnlyList<CaseOutput>[]? perturbed;

    /// <summary>The first thing that did not hold.</summary>
    public string? Failure { get; private set; }

    /// <summary>
    /// The largest normalised mean square error so far; rows that pass only because their terms cancel do not count.
    /// </summary>
    public double Error { get; private set; }

    public void Compare(IReadOnlyList<CaseOutput> expected, IReadOnlyList<CaseOutput> actual)
    {
        for (var i = 0; i < expected.Count; i++)
        {
            var (name, match) = (expected[i].Name, expected[i].Match);
            if (name != actual[i].Name)
                throw new InvalidOperationException($"outputs {name} and {actual[i].Name} do not pair up");
            var exact = match == Match.Exact || (match == Match.ExactIntegers && limits.IntegersAreExact);
            if (exact) CompareExactly(expected[i], actual[i]);
            else CompareGroups(i, expected[i], actual[i]);
        }
    }

    /// <summary>The same bits, guard zones and all.</summary>
    public void CompareBits(IReadOnlyList<CaseOutput> first, IReadOnlyList<CaseOutput> second, string what)
    {
        for (var i = 0; i < first.Count; i++)
            if (!first[i].Bytes.AsSpan().SequenceEqual(second[i].Bytes))
                Fail($"{first[i].Name}: {what} gives other bits");
    }

    private void CompareExactly(CaseOutput expected, CaseOutput actual)
    {
        for (var e = 0; e < expected.Values.Length; e++)
        {
            var (want, got) = (expected.Values[e], actual.Values[e]);
            if (CaseOutput.IsUntouched(want) ? !CaseOutput.IsUntouched(got) : !(want == got))
                Fail($"{At(expected, e)} is {Show(got)}, not exactly {Show(want)}");
            if (expected.Match == Match.ExactIntegers && Math.Abs(want) > LargestExactInteger)
                Fail($"{At(expected, e)} is {Show(want)}: the case leaves the integers that are exact");
        }
    }

    private void CompareGroups(int output, CaseOutput expected, CaseOutput actual)
    {
        var width = expected.Columns >= NarrowestRow ? expected.Columns : expected.Values.Length;
        for (var start = 0; start < expected.Values.Length; start += width)
            CompareGroup(output, expected, actual, start, width);
    }

    private void CompareGroup(int output, CaseOutput expected, CaseOutput actual, int start, int width)
    {
        double error = 0, size = 0, noise = 0;
        for (var e = start; e < start + width; e++)
        {
            var (want, got) = (expected.Values[e], actual.Values[e]);
            noise += Square(limits.SmallestNormal + limits.UnitRoundoff * Math.Abs(actual.Noise?.Invoke(e) ?? 0));
            if (double.IsFinite(want))
            {
                error += Square(got - want);
                size += Square(want);
            }
            else if (!MatchesSpecial(expected, want, got))
            {
                Fail($"{At(expected, e)} is {Show(got)}, not {Show(want)}");
            }
        }
        var limit = expected.Match == Match.Double ? DoubleLimit : limits.Nmse;
        var allowed = limit * size + 16 * noise;
        var passes = error <= allowed || error <= allowed + 64 * Sensitivity(output, expected, start, width);
        if (error > 0 && size > 0 && (error <= limit * size || !passes)) Error = Math.Max(Error, error / size);
        if (!double.IsFinite(error)) Error = double.NaN;
        if (passes) return;
        Fail($"{At(expected, start)}: normalised mean square error {error / size:g3} over {width} elements, " +
            $"limit {limit:g3}");
    }

    private static bool MatchesSpecial(CaseOutput expected, double want, double got)
    {
        if (CaseOutput.IsUntouched(want)) return CaseOutput.IsUntouched(got);
        if (double.IsNegativeInfinity(want) && expected.Match == Match.CloseWhereFinite) return true;
        return double.IsInfinity(want) && want == got;
    }

    /// <summary>The largest squared change of a group of elements among the perturbed runs of the reference.</summary>
    private double Sensitivity(int output, CaseOutput expected, int start, int width)
    {
        perturbed ??= perturb();
        var largest = 0.0;
        foreach (var run in perturbed)
        {
            var sum = 0.0;
            for (var e = start; e < start + width; e++)
            {
                var change = run[output].Values[e] - expected.Values[e];
                if (double.IsFinite(change)) sum += Square(change);
            }
            largest = Math.Max(largest, sum);
        }
        return largest;
    }

    private static double Square(double x) => x * x;

    private void Fail(string failure) => Failure ??= failure;

    private static string At(CaseOutput output, int element) =>
        $"{output.Name}[{element / output.Columns}, {element % output.Columns}]";

    private static string Show(double value) => CaseOutput.IsUntouched(value) ? "untouched" : value.ToString("g9");
}
