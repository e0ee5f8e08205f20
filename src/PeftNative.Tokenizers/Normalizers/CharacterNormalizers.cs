using PeftNative.Tokenizers.Text;

namespace PeftNative.Tokenizers.Normalizers;

/// <summary>Drops the characters that do not satisfy a condition and maps those that do.</summary>
internal sealed class MapNormalizer(Func<int, bool> keep, Func<int, int> map) : Normalizer
{
    /// <inheritdoc/>
    public override bool Apply(AlignedText source, int start, int length, AlignedText target)
    {
        var writer = new TextRewriter(source, start, length, target);
        for (var i = start; i < start + length;)
        {
            var c = source.CodePointAt(i, out var units);
            i += units;
            if (keep(c)) writer.Replace(map(c));
            else writer.Skip(1);
        }
        return true;
    }
}

/// <summary>Lower case by Unicode's mappings, without regard to context or language.</summary>
internal sealed class LowercaseNormalizer : Normalizer
{
    /// <inheritdoc/>
    public override bool Apply(AlignedText source, int start, int length, AlignedText target)
    {
        var writer = new TextRewriter(source, start, length, target);
        for (var i = start; i < start + length;)
        {
            var c = source.CodePointAt(i, out var units);
            i += units;
            writer.Replace(c == 0x130 ? 'i' : UnicodeTables.ToLower(c));
            if (c == 0x130) writer.Insert(0x307);
        }
        return true;
    }
}

/// <summary>NFC, NFD, NFKC or NFKD.</summary>
internal sealed class FormNormalizer(bool compose, bool compatibility) : Normalizer
{
    [ThreadStatic] private static List<(int CodePoint, int Change)>? scratch;

    /// <inheritdoc/>
    public override bool Apply(AlignedText source, int start, int length, AlignedText target)
    {
        var text = source.Chars.Slice(start, length);
        if (UnicodeForm.IsUntouched(text, compose, compatibility)) return false;
        var output = scratch ??= [];
        UnicodeForm.Decompose(text, compatibility, output);
        if (compose) UnicodeForm.Compose(output);
        var writer = new TextRewriter(source, start, length, target);
        foreach (var (c, change) in output) writer.Write(c, change);
        return true;
    }
}

/// <summary>Removes white space at the ends.</summary>
internal sealed class StripNormalizer(bool left, bool right) : Normalizer
{
    /// <inheritdoc/>
    public override bool Apply(AlignedText source, int start, int length, AlignedText target)
    {
        var end = start + length;
        while (left && start < end && char.IsWhiteSpace(source.Chars[start])) start++;
        while (right && end > start && char.IsWhiteSpace(source.Chars[end - 1])) end--;
        target.Add(source, start, end - start);
        return true;
    }
}

/// <summary>Puts a text in front of a text that is not empty.</summary>
internal sealed class PrependNormalizer(string prefix) : Normalizer
{
    /// <inheritdoc/>
    public override bool Apply(AlignedText source, int start, int length, AlignedText target)
    {
        if (length == 0) return false;
        Prepend(source, start, length, prefix, target);
        return true;
    }

    /// <summary>
    /// Writes a part of a text with a prefix; the prefix shares the range of the first character, which itself counts
    /// as inserted, so that with an empty prefix it stands for nothing.
    /// </summary>
    public static void Prepend(AlignedText source, int start, int length, string prefix, AlignedText target)
    {
        source.CodePointAt(start, out var units);
        foreach (var c in prefix) target.Add(c, source.StartOf(start), source.EndOf(start + units - 1));
        var first = source.CodePointAt(start, out _);
        if (prefix.Length == 0) target.Add(first, source.StartOf(start), source.StartOf(start));
        else target.Add(source, start, units);
        target.Add(source, start + units, length - units);
    }
}

/// <summary>Writes every byte of the UTF-8 form as a printable character.</summary>
internal sealed class ByteLevelNormalizer : Normalizer
{
    /// <inheritdoc/>
    public override bool Apply(AlignedText source, int start, int length, AlignedText target)
    {
        ByteAlphabet.Write(source, start, length, target);
        return true;
    }
}
