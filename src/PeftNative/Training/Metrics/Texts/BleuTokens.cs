using System.Text.RegularExpressions;

namespace PeftNative.Training.Metrics.Texts;

/// <summary>Cuts texts into tokens as sacreBLEU's tokenizers do. Pure functions.</summary>
internal static partial class BleuTokens
{
    /// <summary>The tokens of a text.</summary>
    /// <exception cref="UsageException">There is no such tokenizer.</exception>
    internal static string[] Cut(string text, string tokenizer) => (tokenizer switch
    {
        "13a" => By13a(text),
        "none" => text,
        "intl" => International(text),
        "char" => string.Join(' ', text.EnumerateRunes()),
        _ => throw new UsageException($"There is no BLEU tokenizer '{tokenizer}'.",
            remedy: "Use 13a, none, intl or char."),
    }).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);

    // mteval-v13a: punctuation stands alone, but periods and commas inside numbers.
    private static string By13a(string text)
    {
        text = text.Replace("<skipped>", "", StringComparison.Ordinal).Replace("-\n", "", StringComparison.Ordinal)
            .Replace('\n', ' ').Replace("&quot;", "\"", StringComparison.Ordinal)
            .Replace("&amp;", "&", StringComparison.Ordinal).Replace("&lt;", "<", StringComparison.Ordinal)
            .Replace("&gt;", ">", StringComparison.Ordinal);
        text = Symbols().Replace($" {text} ", " $1 ");
        text = BehindOther().Replace(text, "$1 $2 ");
        text = BeforeOther().Replace(text, " $1 $2");
        return Dash().Replace(text, "$1 $2 ");
    }

    private static string International(string text) => Symbol().Replace(
        PunctuationBefore().Replace(PunctuationBehind().Replace(text, "$1 $2 "), " $1 $2"), " $1 ");

    [GeneratedRegex(@"([\{-\~\[-\` -\&\(-\+\:-\@\/])")]
    private static partial Regex Symbols();

    [GeneratedRegex(@"([^0-9])([\.,])")]
    private static partial Regex BehindOther();

    [GeneratedRegex(@"([\.,])([^0-9])")]
    private static partial Regex BeforeOther();

    [GeneratedRegex(@"([0-9])(-)")]
    private static partial Regex Dash();

    [GeneratedRegex(@"(\P{N})(\p{P})")]
    private static partial Regex PunctuationBehind();

    [GeneratedRegex(@"(\p{P})(\P{N})")]
    private static partial Regex PunctuationBefore();

    [GeneratedRegex(@"(\p{S})")]
    private static partial Regex Symbol();
}
