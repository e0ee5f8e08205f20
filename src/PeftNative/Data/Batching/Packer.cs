namespace PeftNative.Data.Batching;

/// <summary>
/// Fills rows of a fixed number of tokens with several examples each, so that the rows of a batch do equal work. The
/// examples of a row stay sequences of their own: attention and positions never cross from one to the next.
/// </summary>
internal static class Packer
{
    /// <summary>
    /// Packs by best-fit decreasing: the longest first, each into the fullest row that has room (at most 11/9 of the
    /// fewest rows possible, plus one).
    /// </summary>
    /// <param name="lengths">Tokens of each example.</param>
    /// <param name="budget">The most tokens of a row.</param>
    /// <returns>The indices of each row's examples, ascending; the rows ordered by their first example.</returns>
    /// <exception cref="ArgumentException">An example is longer than a row.</exception>
    public static int[][] Pack(IReadOnlyList<int> lengths, int budget)
    {
        var rows = new List<List<int>>();
        var rowsByRoom = new Dictionary<int, Stack<int>>();
        var rooms = new SortedSet<int>();
        // OrderBy is stable: of equal lengths the earlier comes first, so the result is the same everywhere.
        foreach (var index in Enumerable.Range(0, lengths.Count).OrderByDescending(i => lengths[i]))
        {
            var length = lengths[index];
            if (length > budget)
                throw new ArgumentException(
                    $"Example {index} has {length} tokens, a row only {budget}.", nameof(lengths));
            var room = rooms.GetViewBetween(length, budget) is { Count: > 0 } fitting ? fitting.Min : budget;
            var row = TakeRow(room);
            rows[row].Add(index);
            PutRow(row, room - length);
        }
        return [.. rows.Select(row => row.Order().ToArray()).OrderBy(row => row[0])];

        int TakeRow(int room)
        {
            if (!rooms.Contains(room))
            {
                rows.Add([]);
                return rows.Count - 1;
            }
            var candidates = rowsByRoom[room];
            var row = candidates.Pop();
            if (candidates.Count == 0) rooms.Remove(room);
            return row;
        }

        void PutRow(int row, int room)
        {
            if (!rowsByRoom.TryGetValue(room, out var candidates)) rowsByRoom[room] = candidates = new Stack<int>();
            candidates.Push(row);
            rooms.Add(room);
        }
    }
}
