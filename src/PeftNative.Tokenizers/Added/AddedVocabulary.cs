using PeftNative.Tokenizers.Models;
using PeftNative.Tokenizers.Normalizers;
using PeftNative.Tokenizers.PreTokenizers;

namespace PeftNative.Tokenizers.Added;

/// <summary>
/// The added tokens of a tokenizer. As in the tokenizers library, a token the model knows keeps the model's id, others
/// are numbered on; the ids written in the file do not count.
/// </summary>
internal sealed class AddedVocabulary
{
    private readonly Dictionary<string, int> ids = [];
    private readonly Dictionary<int, AddedToken> tokens = [];
    private readonly Dictionary<int, string> normalized = [];
    private readonly HashSet<string> special = [];
    private readonly AddedTokenFinder raw, processed;
    private readonly NormalizerChain normalizer;

    /// <summary>Adds tokens in order; a later one of the same text replaces the earlier.</summary>
    /// <param name="added">The tokens.</param>
    /// <param name="model">The model, which knows some of them.</param>
    /// <param name="normalizer">What normalizes texts.</param>
    /// <param name="tokenNormalizer">What normalizes the tokens themselves.</param>
    /// <param name="splitSpecial">Whether special tokens in a text are plain text.</param>
    public AddedVocabulary(
        IEnumerable<AddedToken> added, TokenModel model, NormalizerChain normalizer, NormalizerChain tokenNormalizer,
            bool splitSpecial)
    {
        this.normalizer = normalizer;
        var next = model.Count;
        foreach (var token in added)
        {
            if (token.Content.Length == 0) continue;
            var id = IdOf(token.Content) ?? (model.IdOf(token.Content) is var known and >= 0 ? known : next++);
            if (token.Normalized && tokenNormalizer.Apply(token.Content) is var changed && changed != token.Content)
                normalized[id] = changed;
            else normalized.Remove(id);
            ids[token.Content] = id;
            tokens[id] = token with { Id = id };
            if (token.Special) special.Add(token.Content);
        }
        var items = tokens.Values.OrderBy(t => t.Id).Select(t =>
            (Text: t.Normalized ? TokenOf(t.Id)! : t.Content, Token: t)).ToList();
        raw = new(items.Where(t => !t.Token.Normalized), splitSpecial);
        processed = new(items.Where(t => t.Token.Normalized), splitSpecial);
    }

    /// <summary>All added tokens.</summary>
    public IReadOnlyCollection<AddedToken> Tokens => tokens.Values;

    /// <summary>The id of an added token.</summary>
    public int? IdOf(string content) => ids.TryGetValue(content, out var id) ? id : null;

    /// <summary>The text an added token is decoded to, or null.</summary>
    public string? TokenOf(int id) =>
        normalized.TryGetValue(id, out var text) ? text : tokens.TryGetValue(id, out var token) ? token.Content : null;

    /// <summary>Whether a token is skipped when special tokens are.</summary>
    public bool IsSpecial(string token) => special.Contains(token);

    /// <summary>Normalizes a text and cuts out the added tokens.</summary>
    public void Extract(ReadOnlySpan<char> text, PieceList pieces, List<Piece> segments)
    {
        pieces.Clear();
        segments.Clear();
        raw.Split(text, 0, segments);
        foreach (var segment in segments)
        {
            var part = text.Slice(segment.Start, segment.Length);
            var start = pieces.Text.Length;
            if (segment.Token >= 0)
            {
                pieces.Text.AddOriginal(part, segment.Start);
                pieces.Items.Add(segment with { Start = start });
                continue;
            }
            normalizer.Apply(part, segment.Start, pieces.Text);
            processed.Split(pieces.Text.Chars[start..], start, pieces.Items);
        }
    }
}
