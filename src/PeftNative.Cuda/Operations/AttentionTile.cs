namespace PeftNative.Cuda.Operations;

/// <summary>
/// How many queries and keys a block of attention takes at a time, and the shared memory it needs for that.
/// </summary>
internal readonly record struct AttentionTile(int Queries, int Keys, int Bytes)
{
    private const int Largest = 32, Smallest = 4; // multiples of attention_part in kernels/include/attention_tile.cuh

    /// <summary>So much leaves room for several blocks on a multiprocessor.</summary>
    private const int ComfortableBytes = 48 * 1024;

    /// <summary>
    /// The largest tile that is comfortable, or else the smallest one where that fits the device.
    /// </summary>
    /// <param name="kernel">For the message.</param>
    /// <param name="headDim">Width of a head.</param>
    /// <param name="queries">The most queries of a sequence: a tile is not larger than needed.</param>
    /// <param name="sharedBytes">The most shared memory of a block.</param>
    /// <param name="words">Words of shared memory by head width, queries and keys.</param>
    /// <param name="more">Words beside these.</param>
    /// <exception cref="ResourceException">No tile fits the shared memory of the device.</exception>
    public static AttentionTile Of(string kernel, int headDim, int queries, int sharedBytes,
        Func<int, int, int, int> words,
        int more = 0)
    {
        var rows = Largest;
        while (rows > Smallest && rows / 2 >= queries) rows /= 2;
        for (var keys = Largest; ; keys /= 2)
        {
            rows = Math.Min(rows, keys);
            var bytes = sizeof(float) * (words(headDim, rows, keys) + more);
            if (bytes <= ComfortableBytes || (keys == Smallest && bytes <= sharedBytes)) return new(rows, keys, bytes);
            if (keys == Smallest)
                throw new ResourceException($"The device has too little shared memory for heads of width {headDim}.",
                    $"{kernel}, {bytes:N0} bytes, the device has {sharedBytes:N0}", "Use --backend cpu.");
        }
    }
}
