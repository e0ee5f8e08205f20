namespace PeftNative.Tokenizers.Models;

/// <summary>The last step of tokenization: a word becomes tokens.</summary>
internal abstract class TokenModel
{
    /// <summary>The value of "type" in tokenizer.json.</summary>
    public abstract string Kind { get; }

    /// <summary>The number of tokens, which added tokens are numbered on from.</summary>
    public abstract int Count { get; }

    /// <summary>The largest id, or -1.</summary>
    public abstract int MaxId { get; }

    /// <summary>The id of a token, or -1.</summary>
    public abstract int IdOf(ReadOnlySpan<char> token);

    /// <summary>The token of an id, or null.</summary>
    public abstract string? TokenOf(int id);

    /// <summary>
    /// Whether a token keeps the text it was found in instead of its own spelling; unknown text of Unigram does.
    /// </summary>
    public virtual bool KeepsText(int id) => false;

    /// <summary>Appends the tokens of a word.</summary>
    /// <exception cref="ModelFormatException">
    /// The word has unknown characters and the model no token for them.
    /// </exception>
    public abstract void Tokenize(ReadOnlySpan<char> word, TokenSpans output);
}

/// <summary>A model whose tokens are those of a vocabulary.</summary>
internal abstract class VocabularyModel(Vocabulary vocabulary) : TokenModel
{
    /// <summary>The tokens.</summary>
    protected Vocabulary Vocabulary { get; } = vocabulary;

    /// <inheritdoc/>
    public override int Count => Vocabulary.Count;

    /// <inheritdoc/>
    public override int MaxId => Vocabulary.MaxId;

    /// <inheritdoc/>
    public override int IdOf(ReadOnlySpan<char> token) => Vocabulary.IdOf(token);

    /// <inheritdoc/>
    public override string? TokenOf(int id) => Vocabulary.TokenOf(id);
}

/// <summary>Tokens and where they lie in a word (UTF-16 code units). Reused from word to word.</summary>
internal sealed class TokenSpans
{
    private int[] values = new int[3 * 64];

    /// <summary>The number of tokens.</summary>
    public int Count { get; private set; }

    /// <summary>Id, start and end of each token.</summary>
    public ReadOnlySpan<int> Values => values.AsSpan(0, Count * 3);

    /// <summary>Forgets the tokens.</summary>
    public void Clear() => Count = 0;

    /// <summary>Adds a token.</summary>
    public void Add(int id, int start, int end)
    {
        var at = Count * 3;
        if (at == values.Length) Array.Resize(ref values, values.Length * 2);
        values[at] = id;
        values[at + 1] = start;
        values[at + 2] = end;
        Count++;
    }

    /// <summary>Adds tokens kept in the form of <see cref="Values"/>.</summary>
    public void Add(ReadOnlySpan<int> tokens)
    {
        var at = Count * 3;
        if (at + tokens.Length > values.Length)
            Array.Resize(ref values, Math.Max(values.Length * 2, at + tokens.Length));
        tokens.CopyTo(values.AsSpan(at));
        Count += tokens.Length / 3;
    }
}
