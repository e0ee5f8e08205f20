namespace PeftNative.Tokenizers.Text;

/// <summary>
/// The four normalization forms. Ours because .NET has none under invariant globalization, and none that tells which
/// character came from which. A code point comes with the change <see cref="TextRewriter.Write"/> takes, ordered as the
/// reference orders them.
/// </summary>
internal static class UnicodeForm
{
    private const int HangulBase = 0xAC00, LeadBase = 0x1100, VowelBase = 0x1161, TrailBase = 0x11A7;
    private const int Leads = 19, Vowels = 21, Trails = 28, Syllables = Leads * Vowels * Trails;

    private static UnicodeResource Data => UnicodeResource.Instance;

    /// <summary>Whether a text holds only characters below the first one that a form can change.</summary>
    public static bool IsUntouched(ReadOnlySpan<char> text, bool compose, bool compatibility)
    {
        var last = compatibility ? '\u009F' : compose ? '\u02FF' : '\u00BF';
        return !text.ContainsAnyExceptInRange('\0', last);
    }

    /// <summary>Decomposes a text and sorts its marks by combining class.</summary>
    public static void Decompose(ReadOnlySpan<char> text, bool compatibility, List<(int CodePoint, int Change)> output)
    {
        output.Clear();
        var pending = 0; // where the marks that may still have to be sorted begin
        for (var i = 0; i < text.Length;)
        {
            var c = AlignedText.CodePoint(text, i, out var units);
            i += units;
            Expand(c, compatibility, first: true, output, ref pending);
        }
        Sort(output, pending);
    }

    /// <summary>Composes the output of <see cref="Decompose"/> in place.</summary>
    public static void Compose(List<(int CodePoint, int Change)> text)
    {
        var write = 0;
        var starter = -1;
        var lastClass = -1; // class of the character written last after the starter; -1: nothing between
        for (var i = 0; i < text.Count; i++)
        {
            var (c, change) = text[i];
            int cc = ClassOf(c);
            if (starter >= 0 && lastClass < cc && TryCompose(text[starter].CodePoint, c, out var composed))
            {
                text[starter] = (composed, text[starter].Change + change - 1);
                continue;
            }
            if (cc == 0) (starter, lastClass) = (write, -1);
            else lastClass = cc;
            text[write++] = (c, change);
        }
        text.RemoveRange(write, text.Count - write);
    }

    private static void Expand(int c, bool compatibility, bool first, List<(int CodePoint, int Change)> output,
        ref int pending)
    {
        if (c < 0xA0) Push(c, first, output, ref pending);
        else if (c is >= HangulBase and < HangulBase + Syllables)
            ExpandHangul(c - HangulBase, first, output, ref pending);
        else if (compatibility && Data.Compatibility.TryGetValue(c, out var full))
            PushAll(full, first, output, ref pending);
        else if (Data.Canonical.TryGetValue(c, out var parts))
        {
            for (var i = 0; i < parts.Length; i++)
                Expand(parts[i], compatibility, first && i == 0, output, ref pending);
        }
        else Push(c, first, output, ref pending);
    }

    private static void ExpandHangul(int index, bool first, List<(int CodePoint, int Change)> output, ref int pending)
    {
        Push(LeadBase + (index / (Vowels * Trails)), first, output, ref pending);
        Push(VowelBase + (index % (Vowels * Trails) / Trails), false, output, ref pending);
        if (index % Trails != 0) Push(TrailBase + (index % Trails), false, output, ref pending);
    }

    private static void PushAll(int[] parts, bool first, List<(int CodePoint, int Change)> output, ref int pending)
    {
        for (var i = 0; i < parts.Length; i++) Push(parts[i], first && i == 0, output, ref pending);
    }

    private static void Push(int c, bool first, List<(int CodePoint, int Change)> output, ref int pending)
    {
        if (ClassOf(c) == 0)
        {
            Sort(output, pending);
            pending = output.Count + 1;
        }
        output.Add((c, first ? 0 : 1));
    }

    /// <summary>
    /// A stable insertion sort up to a length where its square would hurt, a stable merge sort beyond.
    /// </summary>
    private static void Sort(List<(int CodePoint, int Change)> text, int from)
    {
        if (text.Count - from > 32)
        {
            var sorted = text.Skip(from).OrderBy(c => ClassOf(c.CodePoint)).ToArray();
            for (var i = 0; i < sorted.Length; i++) text[from + i] = sorted[i];
            return;
        }
        for (var i = from + 1; i < text.Count; i++)
        {
            var item = text[i];
            var at = i;
            for (; at > from && ClassOf(text[at - 1].CodePoint) > ClassOf(item.CodePoint); at--)
                text[at] = text[at - 1];
            text[at] = item;
        }
    }

    private static byte ClassOf(int c) => c < 0x300 ? (byte)0 : Data.CombiningClass.GetValueOrDefault(c);

    private static bool TryCompose(int first, int second, out int composed)
    {
        if (first is >= LeadBase and < LeadBase + Leads && second is >= VowelBase and < VowelBase + Vowels)
        {
            composed = HangulBase + ((((first - LeadBase) * Vowels) + second - VowelBase) * Trails);
            return true;
        }
        if (first is >= HangulBase and < HangulBase + Syllables && (first - HangulBase) % Trails == 0
            && second is > TrailBase and < TrailBase + Trails)
        {
            composed = first + second - TrailBase;
            return true;
        }
        return Data.Compositions.TryGetValue(UnicodeResource.Pair(first, second), out composed);
    }
}
