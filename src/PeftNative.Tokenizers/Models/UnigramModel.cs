namespace PeftNative.Tokenizers.Models;

/// <summary>
/// What the SentencePiece library does otherwise: scores in single precision, and only some of the pieces.
/// </summary>
/// <param name="LeastScore">The least score of a normal piece.</param>
/// <param name="CanSegment">Whether the segmentation can use the piece of an id.</param>
internal sealed record SentencePieceScoring(double LeastScore, Func<int, bool> CanSegment);

/// <summary>
/// The segmentation of the highest total score (Viterbi), in the order of additions and with the tie rule of the
/// tokenizers library. Ours because Microsoft.ML.Tokenizers 2.0.1 reads no Unigram model from tokenizer.json and breaks
/// ties as SentencePiece does.
/// </summary>
internal sealed class UnigramModel : TokenModel
{
    private const double UnknownPenalty = 10;
    private readonly IReadOnlyList<(string Token, double Score)> pieces;
    private readonly Vocabulary vocabulary;
    private readonly PairTable trie; // (node, character) to (node, id of the token that ends there or -1)
    private readonly double unknownScore;
    private readonly int unknownId;
    private readonly int[]? byteIds;
    private readonly SentencePieceScoring? scoring;

    [ThreadStatic] private static Path[]? scratch;
    [ThreadStatic] private static List<(int Start, int End)>? cuts;

    /// <summary>Builds the model; an unknown id of -1 means there is none.</summary>
    public UnigramModel(
        IReadOnlyList<(string Token, double Score)> pieces, int unknownId, bool byteFallback,
            SentencePieceScoring? scoring = null)
    {
        this.pieces = pieces;
        this.scoring = scoring;
        this.unknownId = unknownId;
        var ids = new Dictionary<string, int>(pieces.Count);
        for (var id = 0; id < pieces.Count; id++) ids[pieces[id].Token] = id;
        vocabulary = new(ids);
        unknownScore = (scoring?.LeastScore ?? pieces.Select(p => p.Score).DefaultIfEmpty(0).Min()) - UnknownPenalty;
        trie = BuildTrie();
        if (byteFallback) byteIds = [.. Enumerable.Range(0, 256).Select(b => vocabulary.IdOf($"<0x{b:X2}>"))];
    }

    private record struct Path(int Id, double Score, int Start);

    /// <inheritdoc/>
    public override string Kind => "Unigram";

    /// <inheritdoc/>
    public override int Count => pieces.Count;

    /// <inheritdoc/>
    public override int MaxId => pieces.Count - 1;

    /// <inheritdoc/>
    public override int IdOf(ReadOnlySpan<char> token) => vocabulary.IdOf(token);

    /// <inheritdoc/>
    public override string? TokenOf(int id) => (uint)id < (uint)pieces.Count ? pieces[id].Token : null;

    /// <inheritdoc/>
    public override bool KeepsText(int id) => id == unknownId;

    /// <inheritdoc/>
    public override void Tokenize(ReadOnlySpan<char> word, TokenSpans output)
    {
        if (word.IsEmpty) return;
        FindBestPaths(word);
        var segments = cuts ??= [];
        segments.Clear();
        var fusing = false;
        for (var end = word.Length; end > 0;)
        {
            var (id, _, start) = scratch![end];
            var unknown = id == unknownId;
            if (unknown && fusing)
                segments[^1] = (start, segments[^1].End); // neighbouring unknown characters are one token
            else segments.Add((start, end));
            fusing = unknown;
            end = start;
        }
        for (var i = segments.Count - 1; i >= 0; i--) Emit(word, segments[i].Start, segments[i].End, output);
    }

    private void FindBestPaths(ReadOnlySpan<char> word)
    {
        if (scratch is null || scratch.Length <= word.Length) scratch = new Path[Math.Max(256, word.Length + 1)];
        var best = scratch;
        best.AsSpan(0, word.Length + 1).Fill(new(0, 0, -1));
        for (var start = 0; start < word.Length;)
        {
            var units = char.IsHighSurrogate(word[start]) && start + 1 < word.Length ? 2 : 1;
            var soFar = best[start].Score;
            var single = false;
            var node = 0;
            for (var end = start; end < word.Length && trie.TryGet(node, word[end], out var step);)
            {
                node = step.First;
                end++;
                if (step.Second < 0) continue;
                Offer(ref best[end], step.Second, pieces[step.Second].Score + soFar, start);
                single |= end - start == units;
            }
            if (!single)
            {
                if (unknownId < 0)
                    throw new ModelFormatException("The text has an unknown character and the model no token for it.");
                Offer(ref best[start + units], unknownId, Round(unknownScore + soFar), start);
            }
            start += units;
        }
    }

    private void Offer(ref Path target, int id, double score, int start)
    {
        if (target.Start < 0 || score > target.Score) target = new(id, Round(score), start);
    }

    private double Round(double score) => scoring is null ? score : (float)score;

    private void Emit(ReadOnlySpan<char> word, int start, int end, TokenSpans output)
    {
        var text = word[start..end];
        var id = text.Length <= vocabulary.MaxLength ? vocabulary.IdOf(text) : -1;
        if (id >= 0) output.Add(id, start, end);
        else if (!EmitBytes(text, start, end, output)) output.Add(unknownId, start, end);
    }

    private bool EmitBytes(ReadOnlySpan<char> text, int start, int end, TokenSpans output)
    {
        if (byteIds is null) return false;
        Span<byte> utf8 = stackalloc byte[4];
        foreach (var rune in text.EnumerateRunes())
        {
            foreach (var b in utf8[..rune.EncodeToUtf8(utf8)])
            {
                if (byteIds[b] < 0) return false;
            }
        }
        foreach (var rune in text.EnumerateRunes())
        {
            foreach (var b in utf8[..rune.EncodeToUtf8(utf8)]) output.Add(byteIds[b], start, end);
        }
        return true;
    }

    private PairTable BuildTrie()
    {
        var table = new PairTable(checked((int)Math.Min(1 << 28, vocabulary.Items.Sum(i => (long)i.Key.Length))));
        var nodes = 0;
        foreach (var (token, id) in vocabulary.Items)
        {
            if (scoring?.CanSegment(id) == false) continue;
            var node = 0;
            for (var i = 0; i < token.Length; i++)
            {
                var last = i == token.Length - 1;
                if (!table.TryGet(node, token[i], out var step)) step = (++nodes, -1);
                table.Set(node, token[i], step.First, last ? id : step.Second);
                node = step.First;
            }
        }
        return table;
    }
}
