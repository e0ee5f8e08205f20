using PeftNative.Data.Reading;

namespace PeftNative.Data.Encoding;

/// <summary>Token ids that are being put together, with a mark on those to be trained. Not thread-safe.</summary>
internal sealed class TokenRow
{
    private readonly List<int> _ids = [];
    private readonly List<byte> _types = [];
    private readonly List<bool> _trained = [];
    private bool _hasTypes;

    public IReadOnlyList<int> Ids => _ids;

    public int Length => _ids.Count;

    /// <summary>A text with the tokenizer's special tokens, trained throughout.</summary>
    public static TokenRow Of(ITokenizer tokenizer, string text) =>
        new TokenRow().Append(tokenizer.Encode(text), _ => true);

    /// <summary>Appends tokens; <paramref name="isTrained"/> gets the index of each.</summary>
    public TokenRow Append(TokenSequence tokens, Func<int, bool> isTrained)
    {
        _hasTypes |= tokens.TokenTypes is not null;
        for (var i = 0; i < tokens.Ids.Length; i++) Append(tokens.Ids[i], tokens.TokenTypes?[i] ?? 0, isTrained(i));
        return this;
    }

    /// <summary>
    /// Makes the row end with the end token and trains it there; leaves the row alone where there is no such token.
    /// </summary>
    public TokenRow EndWith(int? endOfSequence)
    {
        if (endOfSequence is not { } end) return this;
        if (Length == 0 || _ids[^1] != end) Append(end, Length == 0 ? (byte)0 : _types[^1], true);
        _trained[^1] = true;
        return this;
    }

    /// <summary>
    /// Drops special tokens that the template put at the end; of an empty text only the begin token is left.
    /// </summary>
    public TokenRow WithoutEnd(ITokenizer tokenizer, TokenSequence tokens)
    {
        var kept = Length;
        while (kept > 0 && tokens.Sources[kept - 1] < 0) kept--;
        return Cut(kept == 0 && Length > 0 && _ids[0] == tokenizer.BeginOfSequenceId ? 1 : kept);
    }

    /// <summary>The first tokens.</summary>
    public TokenRow Cut(int length) => Slice(0, Math.Min(length, Length));

    /// <summary>A part of the row.</summary>
    public TokenRow Slice(int start, int length)
    {
        var part = new TokenRow { _hasTypes = _hasTypes };
        part._ids.AddRange(_ids.GetRange(start, length));
        part._types.AddRange(_types.GetRange(start, length));
        part._trained.AddRange(_trained.GetRange(start, length));
        return part;
    }

    /// <summary>The row as an example; without labels where there is nothing to learn from it.</summary>
    public Example ToExample(RecordOrigin origin, bool truncated, bool withLabels = true) => new()
    {
        Ids = [.. _ids],
        TokenTypes = _hasTypes ? [.. _types] : null,
        // The first position has nothing before it to be predicted from.
        Labels = withLabels ? [.. _ids.Select((id, i) => i > 0 && _trained[i] ? id : Example.Masked)] : null,
        Origin = origin,
        Truncated = truncated,
    };

    private void Append(int id, byte type, bool trained)
    {
        _ids.Add(id);
        _types.Add(type);
        _trained.Add(trained);
    }
}
