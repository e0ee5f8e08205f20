namespace PeftNative.Tokenizers.Decoders;

/// <summary>Word pieces: a space before each token but the first, unless it continues a word.</summary>
internal sealed class WordPieceDecoder(string prefix, bool cleanUp) : Decoder
{
    /// <inheritdoc/>
    public override void Apply(List<string> tokens, bool atStart)
    {
        for (var i = 0; i < tokens.Count; i++)
        {
            var token = tokens[i];
            if (i > 0 || !atStart)
            {
                token = token.StartsWith(prefix, StringComparison.Ordinal) ? token[prefix.Length..] : " " + token;
            }
            tokens[i] = cleanUp ? CleanUp.OfTokens(token) : token;
        }
    }
}

/// <summary>
/// The visible space becomes a space again; the first token loses its own where one was put in front.
/// </summary>
internal sealed class MetaspaceDecoder(char replacement, bool dropsFirst) : Decoder
{
    /// <inheritdoc/>
    public override void Apply(List<string> tokens, bool atStart)
    {
        for (var i = 0; i < tokens.Count; i++)
        {
            var first = i == 0 && atStart && dropsFirst;
            tokens[i] = first ? tokens[i].Replace(replacement.ToString(), "") : tokens[i].Replace(replacement, ' ');
        }
    }
}

/// <summary>The mark at the end of a word becomes a space, at the end of the text nothing.</summary>
internal sealed class BpeDecoder(string suffix) : Decoder
{
    /// <inheritdoc/>
    public override bool CanResume => false;

    /// <inheritdoc/>
    public override void Apply(List<string> tokens, bool atStart)
    {
        if (suffix.Length == 0) return;
        for (var i = 0; i < tokens.Count; i++) tokens[i] = tokens[i].Replace(suffix, i == tokens.Count - 1 ? "" : " ");
    }
}

/// <summary>Speech models: repeated tokens count once, padding vanishes.</summary>
internal sealed class CtcDecoder(string pad, string delimiter, bool cleanUp) : Decoder
{
    /// <inheritdoc/>
    public override bool CanResume => false;

    /// <inheritdoc/>
    public override void Apply(List<string> tokens, bool atStart)
    {
        var result = new List<string>();
        for (var i = 0; i < tokens.Count; i++)
        {
            if (i > 0 && tokens[i] == tokens[i - 1]) continue;
            var text = pad.Length == 0 ? tokens[i] : tokens[i].Replace(pad, "");
            if (cleanUp) text = CleanUp.OfTokens(text);
            if (cleanUp && delimiter.Length > 0) text = text.Replace(delimiter, " ");
            if (text.Length > 0) result.Add(text);
        }
        tokens.Clear();
        tokens.AddRange(result);
    }
}

/// <summary>English clean-up of spaces.</summary>
internal static class CleanUp
{
    private static readonly (string From, string To)[] Punctuation =
        [(" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m")];

    private static readonly (string From, string To)[] Contractions = [(" 's", "'s"), (" 've", "'ve"), (" 're", "'re")];

    /// <summary>What transformers does to decoded text.</summary>
    public static string OfSpaces(string text) => Replace(Replace(text, Punctuation), Contractions);

    /// <summary>What the decoders of the tokenizers library do to single tokens.</summary>
    public static string OfTokens(string token) =>
        Replace(Replace(token, Punctuation).Replace(" do not", " don't"), Contractions);

    private static string Replace(string text, (string From, string To)[] rules) =>
        rules.Aggregate(text, (t, rule) => t.Replace(rule.From, rule.To, StringComparison.Ordinal));
}
