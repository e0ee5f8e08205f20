using System.Globalization;

namespace PeftNative.Tokenizers.Text;

/// <summary>
/// Character classes as the tokenizers library sees them. The regular-expression classes equal .NET's own (Unicode 16);
/// the others come from older tables, so unicode.txt lists where they differ.
/// </summary>
internal static class UnicodeTables
{
    private static readonly CodePointSet PunctuationMore = Data.Set("punctuation +"),
        PunctuationLess = Data.Set("punctuation -");
    private static readonly CodePointSet NumericMore = Data.Set("numeric +");
    private static readonly CodePointSet MarkMore = Data.Set("mark +"), MarkLess = Data.Set("mark -");
    private static readonly CodePointSet NonSpacingMore = Data.Set("nonspacing-mark +");
    private static readonly CodePointSet NonSpacingLess = Data.Set("nonspacing-mark -");
    private static readonly CodePointSet OtherLess = Data.Set("other -");
    private static readonly CodePointSet WordMore = Data.Set("word +"), RegexWordMore = Data.Set("regex-word +");
    private static readonly CodePointSet AlphaMore = Data.Set("alpha +"), UpperMore = Data.Set("upper +"),
        LowerMore = Data.Set("lower +");

    private static UnicodeResource Data => UnicodeResource.Instance;

    /// <summary>The Unicode property White_Space, which is also the regular expression \s.</summary>
    public static bool IsWhiteSpace(int c) => c <= 0xFFFF && char.IsWhiteSpace((char)c);

    /// <summary>\p{L}.</summary>
    public static bool IsLetter(int c) =>
        c < 128 ? char.IsAsciiLetter((char)c) : Category(c) <= UnicodeCategory.OtherLetter;

    /// <summary>\p{N}.</summary>
    public static bool IsNumber(int c) => c < 128 ? char.IsAsciiDigit((char)c)
        : Category(c) is >= UnicodeCategory.DecimalDigitNumber and <= UnicodeCategory.OtherNumber;

    /// <summary>What the Digits pre-tokenizer splits off.</summary>
    public static bool IsNumeric(int c) => IsNumber(c) || (c >= 128 && NumericMore.Contains(c));

    /// <summary>
    /// What BERT and the Punctuation pre-tokenizer call punctuation: all ASCII symbols and category P of Unicode 8.
    /// </summary>
    public static bool IsPunctuation(int c)
    {
        if (c < 128) return c > 32 && c < 127 && !char.IsAsciiLetterOrDigit((char)c);
        var known = Category(c) is >= UnicodeCategory.ConnectorPunctuation and <= UnicodeCategory.OtherPunctuation;
        return known ? !PunctuationLess.Contains(c) : PunctuationMore.Contains(c);
    }

    /// <summary>Any combining mark, as the StripAccents normalizer sees them.</summary>
    public static bool IsMark(int c)
    {
        if (c < 0x300) return false;
        var known = Category(c) is >= UnicodeCategory.NonSpacingMark and <= UnicodeCategory.EnclosingMark;
        return known ? !MarkLess.Contains(c) : MarkMore.Contains(c);
    }

    /// <summary>A non-spacing mark, as BERT's accent stripping sees them.</summary>
    public static bool IsNonSpacingMark(int c)
    {
        if (c < 0x300) return false;
        return Category(c) == UnicodeCategory.NonSpacingMark ? !NonSpacingLess.Contains(c) : NonSpacingMore.Contains(c);
    }

    /// <summary>Control, format and private-use characters, as BERT's text cleaning sees them.</summary>
    public static bool IsOther(int c) =>
        Category(c) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.PrivateUse
            && !OtherLess.Contains(c);

    /// <summary>\w of the Rust regex library: the Whitespace pre-tokenizer and the single_word rule.</summary>
    public static bool IsWord(int c) => IsWordCategory(c) || (c >= 128 && WordMore.Contains(c));

    /// <summary>\w of the Oniguruma library inside brackets.</summary>
    public static bool IsRegexWordInClass(int c) => IsWordCategory(c) || (c >= 128 && RegexWordMore.Contains(c));

    /// <summary>
    /// \w of the Oniguruma library on its own, where it holds the superscripts and fractions of Latin-1 as well.
    /// </summary>
    public static bool IsRegexWord(int c) => IsRegexWordInClass(c) || c is 0xB2 or 0xB3 or 0xB9 or 0xBC or 0xBD or 0xBE;

    /// <summary>The property Alphabetic.</summary>
    public static bool IsAlphabetic(int c) =>
        Category(c) is <= UnicodeCategory.OtherLetter or UnicodeCategory.LetterNumber || AlphaMore.Contains(c);

    /// <summary>The property Uppercase.</summary>
    public static bool IsUppercase(int c) => Category(c) == UnicodeCategory.UppercaseLetter || UpperMore.Contains(c);

    /// <summary>The property Lowercase.</summary>
    public static bool IsLowercase(int c) => Category(c) == UnicodeCategory.LowercaseLetter || LowerMore.Contains(c);

    /// <summary>Chinese characters as BERT's original code lists them.</summary>
    public static bool IsChinese(int c) => c is (>= 0x4E00 and <= 0x9FFF) or (>= 0x3400 and <= 0x4DBF)
        or (>= 0x20000 and <= 0x2A6DF) or (>= 0x2A700 and <= 0x2B73F) or (>= 0x2B740 and <= 0x2B81F)
        or (>= 0x2B920 and <= 0x2CEAF) or (>= 0xF900 and <= 0xFAFF) or (>= 0x2F800 and <= 0x2FA1F);

    /// <summary>The general category of a code point.</summary>
    public static UnicodeCategory Category(int c) => CharUnicodeInfo.GetUnicodeCategory(c);

    /// <summary>
    /// The simple lower-case mapping; U+0130, the only character with a longer one, is left to the caller.
    /// </summary>
    public static int ToLower(int c) => c switch
    {
        < 0x10000 => c is 0xA7CE or 0xA7D2 or 0xA7D4 ? c + 1 : char.ToLowerInvariant((char)c),
        >= 0x16EA0 and <= 0x16EB8 => c + 27, // Beria Erfe, newer than .NET's data
        _ => System.Text.Rune.ToLowerInvariant(new System.Text.Rune(c)).Value,
    };

    private static bool IsWordCategory(int c) => c < 128 ? char.IsAsciiLetterOrDigit((char)c) || c == '_'
        : Category(c) is <= UnicodeCategory.LetterNumber or UnicodeCategory.ConnectorPunctuation;
}
