using System.Globalization;
using PeftNative.Tokenizers.Text;
using static System.Globalization.UnicodeCategory;

namespace PeftNative.Tokenizers.Patterns;

/// <summary>The names inside \p{...} and [:...:].</summary>
internal static class PatternProperties
{
    private static readonly (string Short, string Long, UnicodeCategory[] Categories)[] Table =
    [
        ("l", "letter", [UppercaseLetter, LowercaseLetter, TitlecaseLetter, ModifierLetter, OtherLetter]),
        ("lu", "uppercaseletter", [UppercaseLetter]),
        ("ll", "lowercaseletter", [LowercaseLetter]),
        ("lt", "titlecaseletter", [TitlecaseLetter]),
        ("lm", "modifierletter", [ModifierLetter]),
        ("lo", "otherletter", [OtherLetter]),
        ("lc", "casedletter", [UppercaseLetter, LowercaseLetter, TitlecaseLetter]),
        ("m", "mark", [NonSpacingMark, SpacingCombiningMark, EnclosingMark]),
        ("mn", "nonspacingmark", [NonSpacingMark]),
        ("mc", "spacingmark", [SpacingCombiningMark]),
        ("me", "enclosingmark", [EnclosingMark]),
        ("n", "number", [DecimalDigitNumber, LetterNumber, OtherNumber]),
        ("nd", "decimalnumber", [DecimalDigitNumber]),
        ("nl", "letternumber", [LetterNumber]),
        ("no", "othernumber", [OtherNumber]),
        ("p", "punctuation", [ConnectorPunctuation, DashPunctuation, OpenPunctuation, ClosePunctuation,
            InitialQuotePunctuation, FinalQuotePunctuation, OtherPunctuation]),
        ("pc", "connectorpunctuation", [ConnectorPunctuation]),
        ("pd", "dashpunctuation", [DashPunctuation]),
        ("ps", "openpunctuation", [OpenPunctuation]),
        ("pe", "closepunctuation", [ClosePunctuation]),
        ("pi", "initialpunctuation", [InitialQuotePunctuation]),
        ("pf", "finalpunctuation", [FinalQuotePunctuation]),
        ("po", "otherpunctuation", [OtherPunctuation]),
        ("s", "symbol", [MathSymbol, CurrencySymbol, ModifierSymbol, OtherSymbol]),
        ("sm", "mathsymbol", [MathSymbol]),
        ("sc", "currencysymbol", [CurrencySymbol]),
        ("sk", "modifiersymbol", [ModifierSymbol]),
        ("so", "othersymbol", [OtherSymbol]),
        ("z", "separator", [SpaceSeparator, LineSeparator, ParagraphSeparator]),
        ("zs", "spaceseparator", [SpaceSeparator]),
        ("zl", "lineseparator", [LineSeparator]),
        ("zp", "paragraphseparator", [ParagraphSeparator]),
        ("c", "other", [Control, Format, Surrogate, PrivateUse, OtherNotAssigned]),
        ("cc", "control", [Control]),
        ("cf", "format", [Format]),
        ("co", "privateuse", [PrivateUse]),
        ("cn", "unassigned", [OtherNotAssigned]),
        ("cntrl", "cntrl", [Control]),
        ("digit", "digit", [DecimalDigitNumber]),
        ("punct", "punct",
            [ConnectorPunctuation, DashPunctuation, OpenPunctuation, ClosePunctuation, InitialQuotePunctuation,
            FinalQuotePunctuation, OtherPunctuation, MathSymbol, CurrencySymbol, ModifierSymbol, OtherSymbol]),
    ];

    /// <summary>The set a POSIX name in brackets stands for, or null; \w has fewer characters there.</summary>
    public static CharSet? FindInClass(string name) =>
        name == "word" ? CharSet.Of(UnicodeTables.IsRegexWordInClass) : Find(name);

    /// <summary>The set a name stands for, or null.</summary>
    public static CharSet? Find(string name)
    {
        var key = name.ToLowerInvariant().Replace("_", "").Replace(" ", "").Replace("-", "");
        foreach (var (shortName, longName, categories) in Table)
        {
            if (key == shortName || key == longName) return CharSet.Of(categories);
        }
        return key switch
        {
            "any" => CharSet.Of(_ => true),
            "ascii" => CharSet.Of(c => c < 128),
            "space" or "whitespace" => CharSet.Of(UnicodeTables.IsWhiteSpace),
            "word" or "w" => CharSet.Of(UnicodeTables.IsRegexWord),
            "alpha" or "alphabetic" => CharSet.Of(UnicodeTables.IsAlphabetic),
            "alnum" => CharSet.Of(c =>
                UnicodeTables.IsAlphabetic(c) || UnicodeTables.Category(c) == DecimalDigitNumber),
            "upper" or "uppercase" => CharSet.Of(UnicodeTables.IsUppercase),
            "lower" or "lowercase" => CharSet.Of(UnicodeTables.IsLowercase),
            "graph" => CharSet.Of(c => IsVisible(c) && UnicodeTables.Category(c) != SpaceSeparator),
            "print" => CharSet.Of(IsVisible),
            "blank" => CharSet.Of(c => c == '\t' || UnicodeTables.Category(c) == SpaceSeparator),
            "xdigit" => CharSet.Of(c => c < 128 && char.IsAsciiHexDigit((char)c)),
            _ => UnicodeResource.Instance.Script(key.Replace("script=", "")) is { } script
                ? CharSet.Of(script.Contains) : null,
        };
    }

    private static bool IsVisible(int c) =>
        UnicodeTables.Category(c) is not (
            Control or OtherNotAssigned or Surrogate or LineSeparator or ParagraphSeparator);
}
