using System.Collections.Concurrent;
using PeftNative.Tokenizers.Added;
using PeftNative.Tokenizers.Models;
using PeftNative.Tokenizers.PreTokenizers;
using PeftNative.Tokenizers.Templates;

namespace PeftNative.Tokenizers.Pipeline;

/// <summary>
/// From a text to its tokens, before template and padding: added tokens, normalizers, pre-tokenizers, model.
/// </summary>
internal sealed class TokenPipeline
{
    private readonly AddedVocabulary added;
    private readonly PreTokenizer[] preTokenizers;
    private readonly TokenModel model;
    private readonly ConcurrentBag<Scratch> pool = [];

    /// <summary>Puts the parts together.</summary>
    public TokenPipeline(AddedVocabulary added, IReadOnlyList<PreTokenizer> preTokenizers, TokenModel model)
    {
        this.added = added;
        this.preTokenizers = [.. preTokenizers];
        this.model = model;
    }

    /// <summary>What one call works with; kept for the next one.</summary>
    internal sealed class Scratch
    {
        public PieceList Pieces { get; } = new();
        public List<Piece> Segments { get; } = [];
        public WordCache Cache { get; } = new();
        public TokenSpans Spans { get; } = new();
        public TokenList First { get; } = new();
        public TokenList Second { get; } = new();
    }

    /// <summary>Borrows working memory.</summary>
    public Scratch Rent() => pool.TryTake(out var scratch) ? scratch : new();

    /// <summary>Gives it back.</summary>
    public void Return(Scratch scratch) => pool.Add(scratch);

    /// <summary>Tokenizes a text.</summary>
    public void Tokenize(string text, Scratch scratch, TokenList output)
    {
        output.Begin(text);
        var pieces = scratch.Pieces;
        added.Extract(text, pieces, scratch.Segments);
        foreach (var step in preTokenizers) step.Apply(pieces);
        foreach (var piece in pieces.Items)
        {
            if (piece.Token >= 0) AddToken(pieces, piece, output);
            else AddWord(pieces, piece, scratch, output);
        }
    }

    private static void AddToken(PieceList pieces, Piece piece, TokenList output)
    {
        var text = pieces.CharsOf(piece);
        var last = piece.Start + piece.Length - 1;
        output.Add(piece.Token, pieces.Text.StartOf(piece.Start), pieces.Text.EndOf(last), SpaceTrim.Measure(text));
    }

    private void AddWord(PieceList pieces, Piece piece, Scratch scratch, TokenList output)
    {
        var spans = scratch.Spans;
        spans.Clear();
        scratch.Cache.Tokenize(model, pieces.CharsOf(piece), spans);
        var values = spans.Values;
        for (var i = 0; i < values.Length; i += 3)
        {
            var (id, from, to) = (values[i], piece.Start + values[i + 1], piece.Start + values[i + 2]);
            var space = model.KeepsText(id) ? SpaceTrim.Measure(pieces.Text.Chars[from..to]) : SpaceTrim.OfModel;
            output.Add(id, pieces.Text.StartOf(from), pieces.Text.EndOf(to - 1), space);
        }
    }
}
