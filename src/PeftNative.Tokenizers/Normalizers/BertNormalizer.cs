using PeftNative.Tokenizers.Text;

namespace PeftNative.Tokenizers.Normalizers;

/// <summary>
/// BERT's text cleaning, Chinese characters set apart, accents stripped, lower case: as separate steps. Ours because
/// Microsoft.ML.Tokenizers' BertTokenizer keeps no offsets into the original text and follows other Unicode tables.
/// </summary>
internal static class BertNormalizer
{
    /// <summary>
    /// The steps; accents are stripped where the option says so or, without it, where the text is put in lower case.
    /// </summary>
    public static IEnumerable<Normalizer> Steps(bool cleanText, bool chinese, bool? stripAccents, bool lowercase)
    {
        if (cleanText)
        {
            yield return new MapNormalizer(
                static c => c is '\t' or '\n' or '\r'
                    || (c is not 0 and not 0xFFFD && (c < 128 ? c is >= 32 and < 127 : !UnicodeTables.IsOther(c))),
                static c => UnicodeTables.IsWhiteSpace(c) ? ' ' : c);
        }
        if (chinese) yield return new ChineseNormalizer();
        if (stripAccents ?? lowercase)
        {
            yield return new FormNormalizer(compose: false, compatibility: false);
            yield return new MapNormalizer(static c => !UnicodeTables.IsNonSpacingMark(c), static c => c);
        }
        if (lowercase) yield return new LowercaseNormalizer();
    }

    /// <summary>A space on each side of every Chinese character.</summary>
    private sealed class ChineseNormalizer : Normalizer
    {
        public override bool Apply(AlignedText source, int start, int length, AlignedText target)
        {
            if (!source.Chars.Slice(start, length).ContainsAnyExceptInRange('\0', '\u33FF')) return false;
            var writer = new TextRewriter(source, start, length, target);
            for (var i = start; i < start + length;)
            {
                var c = source.CodePointAt(i, out var units);
                i += units;
                var chinese = UnicodeTables.IsChinese(c);
                writer.Replace(chinese ? ' ' : c);
                if (!chinese) continue;
                writer.Insert(c);
                writer.Insert(' ');
            }
            return true;
        }
    }
}
