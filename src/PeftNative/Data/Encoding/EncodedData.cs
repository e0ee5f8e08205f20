using PeftNative.Data.Reading;
using PeftNative.Data.Records;

namespace PeftNative.Data.Encoding;

/// <summary>A record that gave no example, and why.</summary>
public sealed record SkippedRecord(RecordOrigin Origin, string Reason);

/// <summary>
/// The examples of a data set; those of a large one are not held, but made again each time they are asked for.
/// Immutable.
/// </summary>
public sealed class EncodedData
{
    private const int SampleSize = 2048;

    private readonly string? recordsDigest;
    private Example[]? sample; // several threads may make the same one

    private EncodedData(
        IReadOnlyList<Example> examples, IReadOnlyList<SkippedRecord> skipped, long records, string? digest = null) =>
        (Examples, Skipped, Records, recordsDigest) = (examples, skipped, records, digest);

    /// <summary>The examples, in the order of the records.</summary>
    public IReadOnlyList<Example> Examples { get; }

    /// <summary>Whether the examples are made again each time they are asked for.</summary>
    public bool IsOnDisk => recordsDigest is not null;

    /// <summary>Tokens of all examples; of those that are not held an estimate from some of them.</summary>
    public long Tokens => IsOnDisk
        ? (long)(Sample().Average(e => e.Length) * Examples.Count) : Examples.Sum(e => (long)e.Length);

    /// <summary>
    /// All examples, or some spread evenly over them where they are not held.
    /// </summary>
    internal IReadOnlyList<Example> Sample() => IsOnDisk ? sample ??= MakeSample() : Examples;

    private Example[] MakeSample()
    {
        if (Examples.Count <= SampleSize) return [.. Examples];
        int[] places = [.. Enumerable.Range(0, SampleSize).Select(i => (int)((long)i * Examples.Count / SampleSize))];
        return [.. InOrder.Select(places.Chunk(64), chunk => chunk.Select(i => Examples[i]).ToArray())
            .SelectMany(chunk => chunk)];
    }

    /// <summary>What tells the records on disk from others; null where every example is held.</summary>
    internal string? RecordsDigest => recordsDigest;

    /// <summary>Some of the examples, by their places.</summary>
    /// <exception cref="DataException">There are none.</exception>
    public EncodedData Part(int[] places) => places.Length > 0
        ? new(new ExampleView(Examples, places), [], places.Length,
            recordsDigest is null ? null : $"{recordsDigest} {places.Length} from {places[0]} to {places[^1]}")
        : throw NothingLeft([]);

    /// <summary>Records from which nothing could be learned.</summary>
    public IReadOnlyList<SkippedRecord> Skipped { get; }

    /// <summary>
    /// Which examples share a row where they are packed already, by their indices; null where every example is a row.
    /// </summary>
    public IReadOnlyList<int[]>? Rows { get; private init; }

    /// <summary>How many records were read.</summary>
    public long Records { get; }

    /// <summary>Examples made elsewhere.</summary>
    internal static EncodedData Of(List<Example> examples) => new(examples, [], examples.Count);

    /// <summary>Examples made elsewhere of records, with what was left out and the rows they share.</summary>
    /// <exception cref="DataException">There are none.</exception>
    internal static EncodedData Of(
        List<Example> examples, List<SkippedRecord> skipped, long records, IReadOnlyList<int[]>? rows) =>
        examples.Count > 0 ? new(examples, skipped, records) { Rows = rows } : throw NothingLeft(skipped);

    /// <summary>
    /// Encodes all records; examples in which nothing is trained, and conversations that the chat template refuses, are
    /// left out and reported in <see cref="Skipped"/>.
    /// </summary>
    /// <param name="records">The records.</param>
    /// <param name="encoder">How they become examples.</param>
    /// <param name="progress">Told the records done, every 256.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <exception cref="DataException">A record does not fit the task, or no example is left.</exception>
    public static EncodedData From(
        IEnumerable<DataRecord> records, ExampleEncoder encoder, IProgress<WorkProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        if (records is IReadOnlyList<DataRecord> list and IRecordsOnDisk onDisk)
        {
            var without = new List<SkippedRecord>();
            var store = ExampleStore.Read(list, encoder, without, progress, cancellation);
            return store.Count > 0 ? new EncodedData(store, without, list.Count, onDisk.Digest + encoder.Signature)
                : throw NothingLeft(without);
        }
        var (examples, skipped, count) = (new List<Example>(), new List<SkippedRecord>(), 0L);
        long? total = records.TryGetNonEnumeratedCount(out var known) ? known : null;
        foreach (var record in records)
        {
            cancellation.ThrowIfCancellationRequested();
            Add(encoder, record, examples, skipped);
            if (++count % 256 == 0) progress?.Report(new WorkProgress("encoding", count, total));
        }
        progress?.Report(new WorkProgress("encoding", count, total));
        return examples.Count > 0 ? new EncodedData(examples, skipped, count) : throw NothingLeft(skipped);
    }

    /// <summary>Examples that are there already.</summary>
    /// <exception cref="DataException">There are none.</exception>
    public static EncodedData Of(IReadOnlyList<Example> examples) =>
        examples.Count > 0 ? new EncodedData([.. examples], [], examples.Count) : throw NothingLeft([]);

    /// <summary>Adds the examples of a record from which something can be learned, or why there is none.</summary>
    internal static void Add(
        ExampleEncoder encoder, DataRecord record, List<Example> examples, List<SkippedRecord> skipped)
    {
        try
        {
            Add(encoder.Examples(record), record, examples, skipped);
        }
        catch (RefusedRecordException e)
        {
            skipped.Add(new SkippedRecord(record.Origin, e.Message));
        }
    }

    private static void Add(
        IEnumerable<Example> encoded, DataRecord record, List<Example> examples, List<SkippedRecord> skipped)
    {
        var any = false;
        foreach (var example in encoded)
        {
            any = true;
            if (example.Ids.Length == 0) skipped.Add(new SkippedRecord(record.Origin, "The text gives no tokens."));
            else if ((example.Labels ?? example.DecoderIds) is null || example.TrainedTokens > 0) examples.Add(example);
            else skipped.Add(new SkippedRecord(record.Origin, Reason(example)));
        }
        if (!any) skipped.Add(new SkippedRecord(record.Origin, "The text is empty."));
    }

    private const string CutOff =
        "All that is to be learned was cut off: the prompt alone fills the maximum length.";

    private static string Reason(Example example) => example.Truncated ? CutOff : "No position is trained.";

    private static DataException NothingLeft(List<SkippedRecord> skipped) => skipped is [var first, ..]
        ? new("No record gives anything to learn. The first: " + first.Reason, first.Origin.ToString(),
            skipped.Any(s => s.Reason == CutOff) ? "Raise max_seq_length, or check the records." : "Check the records.")
        : new("There are no records.");
}
