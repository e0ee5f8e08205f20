namespace PeftNative.Tokenizers.Models;

/// <summary>The longest tokens from the left; a word that cannot be covered is unknown. Also WordLevel: no parts, whole words only.</summary>
internal sealed class WordPieceModel(
    Vocabulary vocabulary, string unknownToken, string prefix, int maxCharacters, bool wholeWords = false) : TokenModel
{
    [ThreadStatic] private static char[]? scratch;

    /// <inheritdoc/>
    public override string Kind => wholeWords ? "WordLevel" : "WordPiece";

    /// <inheritdoc/>
    public override int Count => vocabulary.Count;

    /// <inheritdoc/>
    public override int MaxId => vocabulary.MaxId;

    /// <inheritdoc/>
    public override int IdOf(ReadOnlySpan<char> token) => vocabulary.IdOf(token);

    /// <inheritdoc/>
    public override string? TokenOf(int id) => vocabulary.TokenOf(id);

    /// <inheritdoc/>
    public override void Tokenize(ReadOnlySpan<char> word, TokenSpans output)
    {
        if (wholeWords)
        {
            var id = vocabulary.IdOf(word);
            output.Add(id >= 0 ? id : UnknownId(), 0, word.Length);
            return;
        }
        var before = output.Count;
        if (CountCharacters(word) <= maxCharacters && Cover(word, output)) return;
        output.Truncate(before);
        output.Add(UnknownId(), 0, word.Length);
    }

    private bool Cover(ReadOnlySpan<char> word, TokenSpans output)
    {
        var size = prefix.Length + word.Length;
        if (scratch is null || scratch.Length < size) scratch = new char[Math.Max(256, size)];
        prefix.CopyTo(scratch);
        for (var start = 0; start < word.Length;)
        {
            var rest = word[start..];
            rest.CopyTo(scratch.AsSpan(prefix.Length));
            var extra = start == 0 ? 0 : prefix.Length;
            ReadOnlySpan<char> candidate = start == 0 ? rest : scratch.AsSpan(0, prefix.Length + rest.Length);
            var length = Math.Min(rest.Length, vocabulary.MaxLength - extra);
            var id = -1;
            for (; length > 0 && (id = vocabulary.IdOf(candidate[..(length + extra)])) < 0; length--)
            {
                if (length > 1 && char.IsSurrogatePair(rest[length - 2], rest[length - 1])) length--;
            }
            if (id < 0) return false;
            output.Add(id, start, start + length);
            start += length;
        }
        return true;
    }

    private static int CountCharacters(ReadOnlySpan<char> word)
    {
        var count = word.Length;
        for (var i = 1; i < word.Length; i++)
        {
            if (char.IsSurrogatePair(word[i - 1], word[i])) count--;
        }
        return count;
    }

    private int UnknownId() => vocabulary.IdOf(unknownToken) is var id and >= 0 ? id
        : throw new ModelFormatException($"The unknown token \"{unknownToken}\" is not in the vocabulary.", "tokenizer.json");
}
