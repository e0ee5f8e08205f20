using System.Text;
using System.Text.RegularExpressions;
using PeftNative.Data;

namespace PeftNative.Tests.Data;

/// <summary>
/// Tokenizers in miniature. In the manner of GPT-2, tokens are words with the space before them; in the manner of BERT,
/// words are cut into pieces of four letters between [CLS] and [SEP]; in bytes, every byte is a token. Ids are given in
/// the order in which tokens are first met.
/// </summary>
internal sealed partial class ToyTokenizer : ITokenizer
{
    public enum Manner { Gpt, Bert, Bytes }

    private readonly Manner _manner;
    private readonly List<string> _tokens = [];
    private readonly bool _begins;

    public ToyTokenizer(Manner manner = Manner.Gpt, bool begins = false, bool ends = true)
    {
        (_manner, _begins) = (manner, begins);
        BeginOfSequenceId = begins ? Add("<s>") : null;
        EndOfSequenceId = ends ? Add("</s>") : null;
        if (manner == Manner.Bert) (_, _) = (Add("[CLS]"), Add("[SEP]"));
    }

    public int VocabularySize => _tokens.Count;
    public int? BeginOfSequenceId { get; }
    public int? EndOfSequenceId { get; }
    public int? PaddingId => EndOfSequenceId;
    public bool HasTokenTypes => _manner == Manner.Bert;
    public int? IdOf(string token) => _tokens.IndexOf(token) is >= 0 and var id ? id : null;

    public TokenSequence Encode(string text, string? pair = null, bool addSpecialTokens = true, int? maxLength = null)
    {
        var row = new List<(string Token, int Start, int End, sbyte Source, byte Type)>();
        void Special(string token, byte type) => row.Add((token, 0, 0, -1, type));
        if (addSpecialTokens && _begins) Special("<s>", 0);
        if (addSpecialTokens && _manner == Manner.Bert) Special("[CLS]", 0);
        row.AddRange(Pieces(text).Select(p => (p.Token, p.Start, p.End, (sbyte)0, (byte)0)));
        var tail = addSpecialTokens && _manner == Manner.Bert ? 1 : 0;
        if (tail > 0) Special("[SEP]", 0);
        if (pair is not null)
        {
            row.AddRange(Pieces(pair).Select(p => (p.Token, p.Start, p.End, (sbyte)1, (byte)1)));
            if (tail > 0) Special("[SEP]", 1);
        }
        var truncated = row.Count > maxLength;
        if (truncated) row.RemoveRange(maxLength!.Value - tail, row.Count - maxLength.Value);
        return new TokenSequence(
            [.. row.Select(t => Add(t.Token))], HasTokenTypes ? [.. row.Select(t => t.Type)] : null,
            [.. row.Select(t => t.Start)], [.. row.Select(t => t.End)], [.. row.Select(t => t.Source)], truncated);
    }

    public string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens = true)
    {
        var tokens = ids.ToArray().Select(id => _tokens[id]).Where(t => !skipSpecialTokens || !Specials().IsMatch(t));
        return _manner == Manner.Bytes
            ? Encoding.UTF8.GetString([.. tokens.Select(t => (byte)t[0])])
            : string.Concat(tokens);
    }

    public ITokenStream CreateStream(bool skipSpecialTokens = true) => new ToyStream(this, skipSpecialTokens);

    private IEnumerable<(string Token, int Start, int End)> Pieces(string text)
    {
        if (_manner == Manner.Bytes)
        {
            return text.EnumerateRunes().SelectMany(r => Encoding.UTF8.GetBytes(r.ToString()))
                .Select((b, i) => ($"{(char)b}", i, i + 1));
        }
        if (_manner == Manner.Gpt) return Words().Matches(text).Select(m => (m.Value, m.Index, m.Index + m.Length));
        return Letters().Matches(text).SelectMany(m => m.Value.Chunk(4).Select((piece, i) =>
            ((i == 0 ? "" : "##") + new string(piece), m.Index + 4 * i, m.Index + 4 * i + piece.Length)));
    }

    private int Add(string token)
    {
        var id = _tokens.IndexOf(token);
        if (id >= 0) return id;
        _tokens.Add(token);
        return _tokens.Count - 1;
    }

    [GeneratedRegex(@"<\w+>|</s>| ?\w+|\s|[^\w\s]")]
    private static partial Regex Words();

    [GeneratedRegex(@"\w+|[^\w\s]")]
    private static partial Regex Letters();

    [GeneratedRegex(@"^(</?s>|\[CLS\]|\[SEP\])$")]
    private static partial Regex Specials();

    private sealed class ToyStream(ToyTokenizer tokenizer, bool skipSpecialTokens) : ITokenStream
    {
        public string Push(int id) => tokenizer.Decode([id], skipSpecialTokens);

        public string Close() => "";
    }
}
