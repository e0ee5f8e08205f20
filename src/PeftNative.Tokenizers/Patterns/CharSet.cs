using System.Globalization;
using PeftNative.Tokenizers.Text;

namespace PeftNative.Tokenizers.Patterns;

/// <summary>
/// A character class of a regular expression: any of its parts, perhaps negated. ASCII is answered from a table.
/// </summary>
internal sealed class CharSet
{
    private readonly List<Func<int, bool>> parts = [];
    private readonly bool[] ascii = new bool[128];
    private byte[]? known; // of the BMP: 0 not asked yet, 1 no, 2 yes
    private bool negated;

    /// <summary>The set of one code point.</summary>
    public static CharSet Of(int c) => new CharSet().Add(c, c).Seal();

    /// <summary>The set a predicate describes.</summary>
    public static CharSet Of(Func<int, bool> contains, bool negate = false)
    {
        var set = new CharSet();
        set.parts.Add(contains);
        return negate ? set.Negate().Seal() : set.Seal();
    }

    /// <summary>The set of some general categories.</summary>
    public static CharSet Of(params UnicodeCategory[] categories)
    {
        var mask = categories.Aggregate(0u, (m, c) => m | (1u << (int)c));
        return Of(c => (mask & (1u << (int)UnicodeTables.Category(c))) != 0);
    }

    /// <summary>Whether the set holds a code point.</summary>
    public bool Contains(int c) => (uint)c < 128 ? ascii[c] : c < 0x10000 ? Remember(c) : Compute(c);

    /// <summary>Adds a range.</summary>
    public CharSet Add(int first, int last)
    {
        parts.Add(c => c >= first && c <= last);
        return this;
    }

    /// <summary>Adds another set.</summary>
    public CharSet Add(CharSet other)
    {
        parts.Add(other.Contains);
        return this;
    }

    /// <summary>Turns the set around.</summary>
    public CharSet Negate()
    {
        negated = !negated;
        return this;
    }

    /// <summary>The characters that both sets hold.</summary>
    public CharSet And(CharSet other) => Of(c => Contains(c) && other.Contains(c));

    /// <summary>
    /// The set with the other case of each of its letters. Oniguruma folds U+017F with s, U+212A with k, U+212B with å.
    /// </summary>
    public CharSet IgnoreCase() => Of(c => Contains(c) || Cases(c).Any(Contains));

    /// <summary>Computes the table; called when no more parts come.</summary>
    public CharSet Seal()
    {
        for (var c = 0; c < 128; c++) ascii[c] = Compute(c);
        return this;
    }

    private static IEnumerable<int> Cases(int c)
    {
        var lower = UnicodeTables.ToLower(c);
        yield return lower;
        yield return System.Text.Rune.ToUpperInvariant(new System.Text.Rune(lower)).Value;
        switch (lower)
        {
            case 's' or 0x17F: yield return 's'; yield return 'S'; yield return 0x17F; break;
            case 'k': yield return 0x212A; break;
            case 0xE5: yield return 0x212B; break;
        }
    }

    // A race between two threads only computes the same answer twice.
    private bool Remember(int c)
    {
        var cache = known ??= new byte[0x10000];
        if (cache[c] == 0) cache[c] = (byte)(Compute(c) ? 2 : 1);
        return cache[c] == 2;
    }

    private bool Compute(int c)
    {
        foreach (var part in parts)
        {
            if (part(c)) return !negated;
        }
        return negated;
    }
}
