using PeftNative.Models.Config;
using PeftNative.Tensors;

namespace PeftNative.Models.Steps;

/// <summary>
/// The rows one stack of layers works on: what they are (tokens, or virtual tokens in front of them), where they stand,
/// and which of them see each other. Reused from step to step; belongs to a pass. Used by one thread at a time, like
/// its backend.
/// </summary>
public sealed class RowStream
{
    private readonly StepMemory memory;
    private readonly TransformerConfig config;
    private readonly int? positionRows;
    private int[] tokens = [], positions = [], types = [], segments = [], rowOffsets = [];

    internal RowStream(StepMemory memory, TransformerConfig config, int? positionRows) =>
        (this.memory, this.config, this.positionRows) = (memory, config, positionRows);

    /// <summary>Rows: tokens, virtual ones included.</summary>
    public int Rows { get; private set; }

    /// <summary>First row of each sequence and, last, the number of rows.</summary>
    public ReadOnlySpan<int> RowOffsets => rowOffsets.AsSpan(0, SequenceCount + 1);

    /// <summary>Number of sequences.</summary>
    public int SequenceCount { get; private set; }

    /// <summary>Virtual tokens in front of each sequence.</summary>
    public int VirtualCount { get; private set; }

    /// <summary>Token ids, int32 [1, rows]; virtual tokens count down from -1, and then rows of adapters.</summary>
    public Tensor Tokens { get; private set; }

    /// <summary>Positions, int32 [1, rows].</summary>
    public Tensor Positions { get; private set; }

    /// <summary>Token types, int32 [1, rows].</summary>
    public Tensor Types { get; private set; }

    /// <summary>Segments of attention; see <see cref="Ops.AttentionOp"/>.</summary>
    public Tensor Segments { get; private set; }

    /// <summary>The virtual tokens, or null.</summary>
    public IVirtualTokens? VirtualTokens { get; private set; }

    /// <summary>The prefix, or null.</summary>
    public IPrefix? Prefix { get; private set; }

    /// <summary>Keys and values of earlier rows, or null.</summary>
    public KvCache? Cache { get; private set; }

    /// <summary>Most keys that a query sees: earlier rows and the prefix are among them.</summary>
    internal int MostKeys { get; private set; }

    /// <summary>The row of a token, counted in its sequence without virtual tokens.</summary>
    public int RowOf(int sequence, int index) => rowOffsets[sequence] + VirtualCount + index;

    /// <summary>Lays out a batch and takes it to the backend; returns one more than the largest position.</summary>
    /// <exception cref="DataException">A token id, type or position lies outside the model's tables.</exception>
    internal int Fill(TokenBatch batch, IVirtualTokens? virtualTokens, IReadOnlyList<ITokenRows> ownRows,
        IPrefix? prefix, KvCache? cache)
    {
        (SequenceCount, VirtualTokens, Prefix, Cache) = (batch.SequenceCount, virtualTokens, prefix, cache);
        VirtualCount = cache is { Length: > 0 } ? 0 : virtualTokens?.Count ?? 0;
        Rows = batch.Tokens.Length + VirtualCount * SequenceCount;
        var reach = LayOut(batch);
        TakeOwnRows(ownRows);
        Tokens = memory.Upload(tokens, 1, Rows);
        Positions = memory.Upload(positions, 1, Rows);
        Types = memory.Upload(types, 1, Rows);
        Segments = memory.Upload(segments, SequenceCount, 6);
        return reach;
    }

    private int LayOut(TokenBatch batch)
    {
        Grow(Rows, batch.SequenceCount);
        int row = 0, reach = 0;
        MostKeys = 0;
        var prefix = Prefix?.Count ?? 0;
        for (var s = 0; s < batch.SequenceCount; s++)
        {
            rowOffsets[s] = row;
            var past = Cache?.LengthOf(s) ?? 0;
            var virtuals = past == 0 ? VirtualCount : 0;
            for (var v = 0; v < virtuals; v++, row++)
                (tokens[row], positions[row], types[row]) = (-1 - v, config.PositionOffset + prefix + v, 0);
            var begin = config.PositionOffset + prefix + past + virtuals;
            for (var i = batch.Offsets[s]; i < batch.Offsets[s + 1]; i++, row++)
            {
                tokens[row] = Check(batch.Tokens[i], config.VocabularySize, "token id");
                positions[row] = begin + (batch.Positions?[i] ?? i - batch.Offsets[s]);
                if (positions[row] < 0)
                    throw new DataException($"The position {positions[row]} stands before the first.");
                types[row] = batch.Types?[i] ?? 0;
                reach = Math.Max(reach, positions[row] + 1);
            }
            WriteSegment(s, row, past, prefix);
        }
        rowOffsets[batch.SequenceCount] = row;
        if (reach > positionRows)
            throw new DataException(
                $"A sequence reaches row {reach - 1} of the model's position table, which has {positionRows}.",
                remedy: "Use a smaller max_seq_length.");
        if (config.TypeVocabularySize > 0)
            for (var i = 0; i < row; i++) Check(types[i], config.TypeVocabularySize, "token type");
        return reach;
    }

    // A token for which an adapter has a row of its own gets a negative id: the rows of adapters count on behind the
    // virtual tokens.
    private void TakeOwnRows(IReadOnlyList<ITokenRows> ownRows)
    {
        var first = VirtualTokens?.Count ?? 0;
        for (var k = 0; k < ownRows.Count; k++)
        {
            for (var i = 0; i < Rows; i++)
                if (tokens[i] >= 0 && ownRows[k].OwnRow(tokens[i]) is >= 0 and var row) tokens[i] = -1 - (first + row);
            first += ownRows[k].OwnRows;
        }
    }

    private void WriteSegment(int s, int end, int past, int prefix)
    {
        var segment = segments.AsSpan(6 * s, 6);
        var rows = end - rowOffsets[s];
        segment[0] = rowOffsets[s];
        segment[1] = rows;
        segment[2] = Cache?.FirstRow(s) ?? rowOffsets[s];
        segment[3] = past + rows;
        segment[4] = 0;
        segment[5] = prefix;
        MostKeys = Math.Max(MostKeys, segment[3] + prefix);
    }

    private void Grow(int rows, int sequences)
    {
        if (tokens.Length < rows) (tokens, positions, types) = (new int[rows], new int[rows], new int[rows]);
        if (rowOffsets.Length <= sequences)
            (rowOffsets, segments) = (new int[sequences + 1], new int[6 * (sequences + 1)]);
    }

    private static int Check(int value, int limit, string what) => (uint)value < (uint)limit
        ? value
        : throw new DataException($"The {what} {value} lies outside the model's table of {limit} rows.",
            remedy: "The tokenizer and the model do not belong together, or the embedding was not resized for added "
                + "tokens.");
}
