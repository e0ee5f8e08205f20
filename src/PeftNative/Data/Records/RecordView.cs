using System.Collections;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using PeftNative.Data.Reading;

namespace PeftNative.Data.Records;

/// <summary>Some of the records of one or several lists, in an order of their own. Immutable.</summary>
internal class RecordView : IReadOnlyList<DataRecord>
{
    private readonly IReadOnlyList<IReadOnlyList<DataRecord>> parts;
    private readonly int[] places, starts;

    private RecordView(IReadOnlyList<IReadOnlyList<DataRecord>> parts, int[] places)
    {
        (this.parts, this.places) = (parts, places);
        starts = new int[parts.Count];
        for (var i = 1; i < starts.Length; i++) starts[i] = checked(starts[i - 1] + parts[i - 1].Count);
    }

    public int Count => places.Length;

    public DataRecord this[int index]
    {
        get
        {
            var (part, place) = Find(index);
            return parts[part][place];
        }
    }

    /// <summary>Records of several lists, one list after the other, by their places in that sequence.</summary>
    public static IReadOnlyList<DataRecord> Of(IReadOnlyList<IReadOnlyList<DataRecord>> parts, int[] places) =>
        parts.All(p => p is IRecordsOnDisk) ? new OnDisk(parts, places) : new RecordView(parts, places);

    public IEnumerator<DataRecord> GetEnumerator()
    {
        if (this is not IRecordsOnDisk)
        {
            for (var i = 0; i < Count; i++) yield return this[i];
            yield break;
        }
        var chunks = Enumerable.Range(0, Count).Chunk(256);
        foreach (var records in InOrder.Select(chunks, chunk => chunk.Select(i => this[i]).ToArray()))
            foreach (var record in records) yield return record;
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private (int Part, int Place) Find(int index)
    {
        var part = Array.BinarySearch(starts, places[index]);
        if (part < 0) part = ~part - 1;
        while (part + 1 < starts.Length && starts[part + 1] == places[index]) part++;   // empty parts
        return (part, places[index] - starts[part]);
    }

    private sealed class OnDisk : RecordView, IRecordsOnDisk
    {
        public OnDisk(IReadOnlyList<IReadOnlyList<DataRecord>> parts, int[] places) : base(parts, places)
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            foreach (var part in parts) hash.AppendData(Convert.FromHexString(((IRecordsOnDisk)part).Digest));
            hash.AppendData(MemoryMarshal.AsBytes(places.AsSpan()));
            Digest = Convert.ToHexStringLower(hash.GetHashAndReset());
        }

        public string Digest { get; }

        public int BoundOf(int index)
        {
            var (part, place) = Find(index);
            return ((IRecordsOnDisk)parts[part]).BoundOf(place);
        }
    }
}
