using System.Collections;
using System.Runtime.InteropServices;
using PeftNative.Data.Reading;
using PeftNative.Data.Records;

namespace PeftNative.Data.Encoding;

/// <summary>
/// The examples of records that stay on disk, encoded again each time they are asked for. How many examples a record
/// gives is known: for most records from their size alone, of the others each is encoded once. The blocks of long texts
/// lie in a temporary file. Safe to use from several threads once it is made.
/// </summary>
internal sealed class ExampleStore : IReadOnlyList<Example>
{
    private const int Together = 256, MostEncodedAgain = 8;

    private readonly IReadOnlyList<DataRecord> records;
    private readonly ExampleEncoder encoder;
    private readonly int[] firsts;
    private readonly Dictionary<int, SpilledText> spilled = [];
    private TemporaryFile? file;

    private ExampleStore(IReadOnlyList<DataRecord> records, ExampleEncoder encoder)
    {
        (this.records, this.encoder) = (records, encoder);
        firsts = new int[records.Count + 1];
    }

    public int Count => firsts[^1];

    /// <summary>Counts the examples of all records; records that give none are reported.</summary>
    public static ExampleStore Read(IReadOnlyList<DataRecord> records, ExampleEncoder encoder,
        List<SkippedRecord> skipped, IProgress<WorkProgress>? progress, CancellationToken cancellation)
    {
        var store = new ExampleStore(records, encoder);
        var starts = Enumerable.Range(0, (records.Count + Together - 1) / Together).Select(s => s * Together);
        foreach (var (start, counts, without, texts) in InOrder.Select(starts, store.Look, cancellation))
        {
            for (var i = 0; i < counts.Length; i++)
                store.firsts[start + i + 1] = checked(store.firsts[start + i] + counts[i]);
            skipped.AddRange(without);
            foreach (var (place, examples) in texts) store.Spill(place, examples);
            progress?.Report(new WorkProgress("looking at records", start + counts.Length, records.Count));
        }
        store.file?.Flush();
        return store;
    }

    public Example this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Count);
            // Of records without examples that begin at the same place, the last one is meant.
            var record = Array.BinarySearch(firsts, index);
            if (record < 0) record = ~record - 1;
            while (firsts[record + 1] == index) record++;
            var number = index - firsts[record];
            return spilled.TryGetValue(record, out var text) ? text.Read(file!, number)
                : Kept(records[record], [])[number];
        }
    }

    /// <summary>The tokens of every example.</summary>
    public int[] Lengths() => [.. InChunks().SelectMany(chunk => chunk.Select(e => e.Length))];

    public IEnumerator<Example> GetEnumerator() => InChunks().SelectMany(chunk => chunk).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private IEnumerable<Example[]> InChunks() => InOrder.Select(Enumerable.Range(0, Count).Chunk(Together),
        chunk => chunk.Select(i => this[i]).ToArray());

    private List<Example> Kept(DataRecord record, List<SkippedRecord> skipped)
    {
        var kept = new List<Example>();
        EncodedData.Add(encoder, record, kept, skipped);
        return kept;
    }

    private (int Start, int[] Counts, List<SkippedRecord> Skipped, List<(int, List<Example>)> Texts) Look(int start)
    {
        var counts = new int[Math.Min(Together, records.Count - start)];
        var (skipped, texts) = (new List<SkippedRecord>(), new List<(int, List<Example>)>());
        for (var i = 0; i < counts.Length; i++)
        {
            counts[i] = 1;
            var isOne = encoder.GivesOne(((IRecordsOnDisk)records).BoundOf(start + i));
            if (isOne && !encoder.NeedsLabels) continue;
            var record = records[start + i];
            if (isOne)
            {
                encoder.CheckLabels(record);
                continue;
            }
            if (encoder.Count(record) is { } count and <= MostEncodedAgain)
            {
                counts[i] = count;
                continue;
            }
            var examples = Kept(record, skipped);
            counts[i] = examples.Count;
            if (examples.Count > MostEncodedAgain && record is TextRecord) texts.Add((start + i, examples));
        }
        return (start, counts, skipped, texts);
    }

    private void Spill(int record, List<Example> examples)
    {
        file ??= new TemporaryFile();
        spilled[record] = new SpilledText(file.Length, [.. examples.Select(e => e.Length)], examples[0].Origin,
            examples[0].TokenTypes is not null);
        foreach (var example in examples) file.Append(MemoryMarshal.AsBytes(example.Ids.AsSpan()));
    }

    /// <summary>The blocks of a text, every token of which but the first is trained.</summary>
    private sealed record SpilledText(long Offset, int[] Lengths, RecordOrigin Origin, bool HasTypes)
    {
        public Example Read(TemporaryFile file, int number)
        {
            var ids = new int[Lengths[number]];
            file.Read(MemoryMarshal.AsBytes(ids.AsSpan()),
                Offset + Lengths.Take(number).Sum(length => (long)length) * sizeof(int));
            int[] labels = [Example.Masked, .. ids.AsSpan(1)];
            return new Example
            {
                Ids = ids, Labels = labels, TokenTypes = HasTypes ? new byte[ids.Length] : null, Origin = Origin,
            };
        }
    }
}
