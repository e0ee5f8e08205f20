using PeftNative.Tokenizers.Files.Parts;
using PeftNative.Tokenizers.Models;

namespace PeftNative.Tokenizers.Files.SentencePiece;

/// <summary>Builds models from the pieces of a SentencePiece file.</summary>
internal static class SentencePieceModels
{
    /// <summary>The model as transformers converts it.</summary>
    public static TokenModel Convert(SentencePieceFile file, IEnumerable<string> extraPieces) => file.IsBpe
        ? Bpe(file)
        : new UnigramModel(
            [.. file.Pieces.Select(p => (p.Text, (double)p.Score)), .. extraPieces.Select(p => (p, 0.0))],
                file.UnknownId, file.ByteFallback);

    /// <summary>The model as the SentencePiece library runs it.</summary>
    public static TokenModel Native(SentencePieceFile file)
    {
        if (file.IsBpe) return Bpe(file);
        var normal = file.Pieces.Where(p => p.Kind == PieceKind.Normal).Select(p => p.Score).DefaultIfEmpty(0).ToList();
        var best = normal.Max();
        // A symbol of the user gets a bonus for its length, so that it always wins.
        double ScoreOf(SentencePiece p) => p.Kind == PieceKind.UserDefined
            ? (System.Text.Encoding.UTF8.GetByteCount(p.Text) * (double)best) - 0.1 : p.Score;
        return new UnigramModel(
            [.. file.Pieces.Select(p => (p.Text, ScoreOf(p)))], file.UnknownId, file.ByteFallback,
            new(normal.Min(), id => file.Pieces[id].Kind is PieceKind.Normal or PieceKind.UserDefined));
    }

    /// <summary>The id of each piece; of two that are equal the first.</summary>
    internal static Dictionary<string, int> Ids(IReadOnlyList<SentencePiece> pieces)
    {
        var ids = new Dictionary<string, int>(pieces.Count);
        for (var id = 0; id < pieces.Count; id++) ids.TryAdd(pieces[id].Text, id);
        return ids;
    }

    private static BpeModel Bpe(SentencePieceFile file)
    {
        var ids = Ids(file.Pieces);
        var unknown = file.UnknownId is var at and >= 0 ? file.Pieces[at].Text : null;
        var options = new BpeOptions(UnknownToken: unknown, FuseUnknown: true, ByteFallback: file.ByteFallback);
        return new(new(ids), Merges(file, ids), options, file.Path);
    }

    /// <summary>A merge for every way to split a piece into two others, pieces of the highest score first.</summary>
    internal static List<(string Left, string Right)> Merges(SentencePieceFile file, Dictionary<string, int> ids)
    {
        var known = ids.GetAlternateLookup<ReadOnlySpan<char>>();
        var merges = new List<(string Left, string Right, float Score)>();
        foreach (var piece in file.Pieces.Where(p => p.Kind == PieceKind.Normal))
        {
            var text = piece.Text;
            for (var i = 1; i < text.Length; i++)
            {
                if (char.IsLowSurrogate(text[i])) continue;
                if (known.ContainsKey(text.AsSpan(0, i)) && known.ContainsKey(text.AsSpan(i)))
                    merges.Add((text[..i], text[i..], piece.Score));
            }
            Limits.CheckCount(merges.Count, file.Path);
        }
        return [.. merges.OrderByDescending(m => m.Score).Select(m => (m.Left, m.Right))];
    }
}
