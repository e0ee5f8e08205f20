using System.Text;

namespace PeftNative.Tokenizers.Models;

/// <summary>The options of a BPE model in tokenizer.json.</summary>
internal sealed record BpeOptions(
    string? UnknownToken = null, string? ContinuingPrefix = null, string? EndSuffix = null,
    bool FuseUnknown = false, bool ByteFallback = false, bool IgnoreMerges = false);

/// <summary>
/// Byte-pair encoding. Ours because Microsoft.ML.Tokenizers' BpeTokenizer has neither ignore_merges nor byte fallback,
/// allocates for every token and takes quadratic time on long words.
/// </summary>
internal sealed class BpeModel : VocabularyModel
{
    private readonly BpeOptions options;
    private readonly PairTable merges;
    private readonly int[] results;
    private readonly int[] characterIds = new int[0x10000];
    private readonly int[] byteIds = new int[256];
    private readonly bool plain;

    [ThreadStatic] private static BpeMerger? scratch;

    /// <summary>Builds the model.</summary>
    /// <exception cref="ModelFormatException">
    /// A merge is of tokens, or gives a token, that the vocabulary lacks.
    /// </exception>
    public BpeModel(Vocabulary vocabulary, IReadOnlyList<(string Left, string Right)> mergeList, BpeOptions options,
        string where) : base(vocabulary)
    {
        this.options = options;
        plain = string.IsNullOrEmpty(options.ContinuingPrefix) && string.IsNullOrEmpty(options.EndSuffix);
        merges = new(mergeList.Count);
        results = new int[mergeList.Count];
        var prefix = options.ContinuingPrefix?.Length ?? 0;
        for (var rank = 0; rank < mergeList.Count; rank++)
        {
            var (left, right) = mergeList[rank];
            if (right.Length < prefix) throw Missing(right, where);
            results[rank] = Find(string.Concat(left, right.AsSpan(prefix)), where);
            merges.Set(Find(left, where), Find(right, where), rank, results[rank]);
        }
        Array.Fill(characterIds, -1);
        foreach (var (token, id) in vocabulary.Items)
        {
            if (token.Length == 1) characterIds[token[0]] = id;
        }
        for (var b = 0; b < 256; b++) byteIds[b] = vocabulary.IdOf($"<0x{b:X2}>");
    }

    /// <inheritdoc/>
    public override string Kind => "BPE";

    /// <inheritdoc/>
    public override void Tokenize(ReadOnlySpan<char> word, TokenSpans output)
    {
        if (options.IgnoreMerges && word.Length <= Vocabulary.MaxLength && Vocabulary.IdOf(word) is var whole and >= 0)
        {
            output.Add(whole, 0, word.Length);
            return;
        }
        var merger = scratch ??= new();
        merger.Clear();
        AddSymbols(word, merger);
        merger.Merge(merges, results, output);
    }

    /// <summary>
    /// One symbol for each character; unknown ones become bytes, or the unknown token, or vanish where there is none.
    /// </summary>
    private void AddSymbols(ReadOnlySpan<char> word, BpeMerger merger)
    {
        var unknownStart = -1;
        var unknownEnd = 0;
        for (var i = 0; i < word.Length;)
        {
            var start = i;
            var units = char.IsHighSurrogate(word[i]) && i + 1 < word.Length ? 2 : 1;
            i += units;
            var character = word.Slice(start, units);
            var id = plain && units == 1 ? characterIds[character[0]] : Lookup(character, start == 0, i == word.Length);
            if (id >= 0)
            {
                if (unknownStart >= 0) merger.Add(UnknownId(), unknownStart, unknownEnd);
                unknownStart = -1;
                merger.Add(id, start, i);
                continue;
            }
            if (options.ByteFallback && AddBytes(character, start == 0, i == word.Length, start, i, merger)) continue;
            if (options.UnknownToken is null) continue;
            if (unknownStart >= 0 && !options.FuseUnknown) merger.Add(UnknownId(), unknownStart, unknownEnd);
            if (unknownStart < 0 || !options.FuseUnknown) unknownStart = start;
            unknownEnd = i;
        }
        if (unknownStart >= 0) merger.Add(UnknownId(), unknownStart, unknownEnd);
    }

    private int Lookup(ReadOnlySpan<char> character, bool first, bool last) =>
        plain ? Vocabulary.IdOf(character) : Vocabulary.IdOf(Decorate(character, first, last));

    private string Decorate(ReadOnlySpan<char> character, bool first, bool last) =>
        string.Concat(first ? "" : options.ContinuingPrefix, character, last ? options.EndSuffix : "");

    private bool AddBytes(ReadOnlySpan<char> character, bool first, bool last, int start, int end, BpeMerger merger)
    {
        Span<byte> utf8 = stackalloc byte[8];
        var bytes = plain ? utf8[..Encoding.UTF8.GetBytes(character, utf8)]
            : Encoding.UTF8.GetBytes(Decorate(character, first, last));
        foreach (var b in bytes)
        {
            if (byteIds[b] < 0) return false;
        }
        foreach (var b in bytes) merger.Add(byteIds[b], start, end);
        return true;
    }

    private int UnknownId() => Vocabulary.IdOf(options.UnknownToken) is var id and >= 0 ? id
        : throw new ModelFormatException($"The unknown token \"{options.UnknownToken}\" is not in the vocabulary.",
            "tokenizer.json");

    private int Find(string token, string where) =>
        Vocabulary.IdOf(token) is var id and >= 0 ? id : throw Missing(token, where);

    private static ModelFormatException Missing(string token, string where) =>
        new($"A merge names the token \"{token}\", which is not in the vocabulary.", where);
}
