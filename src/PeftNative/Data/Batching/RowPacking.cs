namespace PeftNative.Data.Batching;

/// <summary>How several sequences share a row, as TRL names it (<c>packing_strategy</c>).</summary>
public enum PackingStrategy
{
    /// <summary>Best-fit decreasing; what is longer than a row is cut off.</summary>
    BestFit,

    /// <summary>The same; what is longer than a row is cut into pieces, each a sequence of its own.</summary>
    BestFitSplit,

    /// <summary>All sequences in one, cut where a row is full; they see what stands before them in the row.</summary>
    Wrapped,
}

/// <summary>Tokens with what is to be learned at each, or -100; other than in an example, also at the first.</summary>
/// <param name="Ids">Token ids [time].</param>
/// <param name="Labels">Labels, not shifted [time].</param>
/// <param name="First">Which of the sequences before packing it is from, by its index.</param>
/// <param name="Last">The last of these, where it holds several.</param>
internal sealed record LabelledTokens(int[] Ids, int[] Labels, int First, int Last)
{
    public LabelledTokens(int[] ids, int[] labels, int source) : this(ids, labels, source, source)
    {
    }

    public int Length => Ids.Length;

    public LabelledTokens Slice(int start, int length) => this with
    {
        Ids = Ids[start..(start + length)], Labels = Labels[start..(start + length)],
    };

    /// <summary>The first tokens, or the last ones.</summary>
    public LabelledTokens Cut(int length, bool keepEnd = false) =>
        length >= Length ? this : Slice(keepEnd ? Length - length : 0, length);
}

/// <summary>
/// Puts sequences together into rows as TRL does, row for row: in blocks of 1,000 sequences; by best fit the longest
/// first, equal ones in their order, each into the fullest row that has room, of equal rows into the oldest.
/// </summary>
internal static class RowPacking
{
    private const int Block = 1000;

    /// <summary>The names of the strategies.</summary>
    public static readonly string[] Names = ["bfd", "bfd_split", "wrapped"];

    /// <summary>The strategy of a name, older ones included.</summary>
    /// <exception cref="UsageException">There is none.</exception>
    public static PackingStrategy Parse(string name) => name switch
    {
        "bfd" => PackingStrategy.BestFit,
        "bfd_split" or "bfd-requeue" => PackingStrategy.BestFitSplit,
        "wrapped" => PackingStrategy.Wrapped,
        _ => throw new UsageException($"There is no packing strategy '{name}'.", "packing_strategy",
            $"Known: {string.Join(", ", Names)}."),
    };

    /// <summary>The sequences of each row.</summary>
    public static IReadOnlyList<LabelledTokens[]> Pack(
        IReadOnlyList<LabelledTokens> sequences, PackingStrategy strategy, int length) =>
        [.. sequences.Chunk(Block).SelectMany(block => strategy switch
        {
            PackingStrategy.Wrapped => Wrap(block, length),
            PackingStrategy.BestFit => BestFit([.. block.Select(s => s.Cut(length))], length),
            _ => BestFit([.. block.SelectMany(s => Pieces(s, length))], length),
        })];

    private static IEnumerable<LabelledTokens> Pieces(LabelledTokens sequence, int length)
    {
        for (var start = 0; start < sequence.Length; start += length)
            yield return sequence.Slice(start, Math.Min(length, sequence.Length - start));
    }

    private static IEnumerable<LabelledTokens[]> BestFit(LabelledTokens[] sequences, int length)
    {
        var rows = new List<List<LabelledTokens>>();
        var open = new SortedSet<(int Room, int Row)>();
        foreach (var sequence in sequences.OrderByDescending(s => s.Length).Where(s => s.Length > 0))
        {
            var fitting = open.GetViewBetween((sequence.Length, 0), (length, int.MaxValue));
            var (room, row) = fitting.Count > 0 ? fitting.Min : (length, rows.Count);
            if (row == rows.Count) rows.Add([]);
            open.Remove((room, row));
            open.Add((room - sequence.Length, row));
            rows[row].Add(sequence);
        }
        return rows.Select(row => row.ToArray());
    }

    private static IEnumerable<LabelledTokens[]> Wrap(LabelledTokens[] block, int length)
    {
        int[] ids = [.. block.SelectMany(s => s.Ids)], labels = [.. block.SelectMany(s => s.Labels)];
        int[] sources = [.. block.SelectMany(s => Enumerable.Repeat(s.First, s.Length))];
        for (var start = 0; start < ids.Length; start += length)
        {
            var end = Math.Min(start + length, ids.Length);
            yield return [new LabelledTokens(ids[start..end], labels[start..end], sources[start], sources[end - 1])];
        }
    }
}
