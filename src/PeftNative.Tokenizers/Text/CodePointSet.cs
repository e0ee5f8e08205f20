using System.Globalization;

namespace PeftNative.Tokenizers.Text;

/// <summary>A sorted list of code point ranges.</summary>
internal sealed class CodePointSet
{
    private readonly int[] firsts, lasts;

    /// <summary>Makes the set from ranges, which must be ascending and disjoint.</summary>
    public CodePointSet(IReadOnlyList<(int First, int Last)> ranges)
    {
        firsts = [.. ranges.Select(r => r.First)];
        lasts = [.. ranges.Select(r => r.Last)];
    }

    /// <summary>Whether the set holds a code point.</summary>
    public bool Contains(int c)
    {
        var i = Array.BinarySearch(firsts, c);
        return i >= 0 || (~i > 0 && c <= lasts[~i - 1]);
    }

    /// <summary>Reads hexadecimal numbers and ranges such as <c>41-5A 61</c>.</summary>
    public static CodePointSet Parse(ReadOnlySpan<char> text)
    {
        var ranges = new List<(int, int)>();
        foreach (var part in text.Split(' '))
        {
            var range = text[part];
            if (range.IsEmpty) continue;
            var dash = range.IndexOf('-');
            var first = Hex(dash < 0 ? range : range[..dash]);
            ranges.Add((first, dash < 0 ? first : Hex(range[(dash + 1)..])));
        }
        return new(ranges);
    }

    /// <summary>Every code point of the set.</summary>
    public IEnumerable<int> All()
    {
        for (var i = 0; i < firsts.Length; i++)
        {
            for (var c = firsts[i]; c <= lasts[i]; c++) yield return c;
        }
    }

    /// <summary>A hexadecimal number.</summary>
    public static int Hex(ReadOnlySpan<char> digits) =>
        int.Parse(digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
}
