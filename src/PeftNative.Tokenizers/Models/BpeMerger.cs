namespace PeftNative.Tokenizers.Models;

/// <summary>
/// Merges the symbols of one word: always the pair of the lowest rank, of equal ones the leftmost. A heap keeps this at
/// O(n log n), so that a line of a megabyte without spaces takes no longer than other text. Entries that have become
/// stale are recognised when they come up, by the same test as in the tokenizers library, since it decides about some
/// of the merges.
/// </summary>
internal sealed class BpeMerger
{
    private int[] ids = new int[64], previous = new int[64], next = new int[64], starts = new int[64],
        ends = new int[64];
    private ulong[] heap = new ulong[64];
    private int count, heapCount;

    /// <summary>Begins a word.</summary>
    public void Clear() => count = 0;

    /// <summary>Adds a symbol and the part of the word it covers.</summary>
    public void Add(int id, int start, int end)
    {
        if (count == ids.Length)
        {
            Array.Resize(ref ids, count * 2);
            Array.Resize(ref previous, count * 2);
            Array.Resize(ref next, count * 2);
            Array.Resize(ref starts, count * 2);
            Array.Resize(ref ends, count * 2);
        }
        (ids[count], starts[count], ends[count]) = (id, start, end);
        count++;
    }

    /// <summary>Merges and appends the result.</summary>
    /// <param name="merges">For a pair of ids the rank of its merge and the id it gives.</param>
    /// <param name="results">The id each rank gives.</param>
    /// <param name="output">Where the tokens go.</param>
    public void Merge(PairTable merges, int[] results, TokenSpans output)
    {
        heapCount = 0;
        for (var i = 0; i < count; i++)
        {
            previous[i] = i - 1;
            next[i] = i + 1 < count ? i + 1 : -1;
        }
        for (var i = 0; i + 1 < count; i++) Consider(merges, i, i + 1);
        while (heapCount > 0) Apply(merges, results, Pop());
        for (var i = 0; i >= 0 && count > 0; i = next[i]) output.Add(ids[i], starts[i], ends[i]);
    }

    private void Apply(PairTable merges, int[] results, ulong entry)
    {
        int rank = (int)(entry >> 32), left = (int)(uint)entry;
        if (ids[left] < 0) return;
        var right = next[left];
        if (right < 0 || !merges.TryGet(ids[left], ids[right], out var merge) || merge.Second != results[rank]) return;
        ids[left] = results[rank];
        ends[left] = ends[right];
        ids[right] = -1;
        var after = next[left] = next[right];
        if (after >= 0)
        {
            previous[after] = left;
        }
        if (previous[left] >= 0) Consider(merges, previous[left], left);
        if (after >= 0) Consider(merges, left, after);
    }

    private void Consider(PairTable merges, int left, int right)
    {
        if (merges.TryGet(ids[left], ids[right], out var merge)) Push(((ulong)merge.First << 32) | (uint)left);
    }

    private void Push(ulong entry)
    {
        if (heapCount == heap.Length) Array.Resize(ref heap, heapCount * 2);
        var at = heapCount++;
        while (at > 0 && heap[(at - 1) / 2] > entry)
        {
            heap[at] = heap[(at - 1) / 2];
            at = (at - 1) / 2;
        }
        heap[at] = entry;
    }

    private ulong Pop()
    {
        var top = heap[0];
        var last = heap[--heapCount];
        var at = 0;
        for (var child = 1; child < heapCount; child = (2 * at) + 1)
        {
            if (child + 1 < heapCount && heap[child + 1] < heap[child]) child++;
            if (heap[child] >= last) break;
            heap[at] = heap[child];
            at = child;
        }
        heap[at] = last;
        return top;
    }
}
