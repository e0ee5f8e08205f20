using System.Runtime.InteropServices;
using PeftNative.Cuda.Driver;
using PeftNative.Ops;

namespace PeftNative.Cuda.Operations;

/// <summary>
/// The buckets of relative distances in device memory, made once for each kind of bias: the logarithms of the host
/// decide at the edges of buckets, the same on every backend.
/// </summary>
internal sealed class RelativeBucketTables(CudaDevice device, Staging staging) : IDisposable
{
    private readonly Dictionary<(int Buckets, int MaxDistance, bool IsBidirectional), CudaMemory> tables = [];

    /// <summary>The largest distance in the table of an operation; beyond it the bucket does not change.</summary>
    public static int Reach(in AttentionOp op) => op.RelativeBias.IsPresent
        ? RelativeBuckets.Reach(op.RelativeBias.Rows, op.RelativeMaxDistance, op.RelativeBidirectional)
        : 0;

    /// <summary>Address of the buckets (int32) of the distances -Reach to Reach.</summary>
    public nint Of(in AttentionOp op)
    {
        var key = (op.RelativeBias.Rows, op.RelativeMaxDistance, op.RelativeBidirectional);
        if (tables.TryGetValue(key, out var known)) return known.Pointer;
        var reach = Reach(op);
        var buckets = new int[2 * reach + 1];
        for (var i = 0; i < buckets.Length; i++)
            buckets[i] = RelativeBuckets.Of(i - reach, key.Item1, key.Item2, key.Item3);
        var memory = new CudaMemory(device, sizeof(int) * buckets.Length, "buckets of the relative bias");
        staging.Upload(MemoryMarshal.AsBytes(buckets.AsSpan()), memory.Pointer);
        tables.Add(key, memory);
        return memory.Pointer;
    }

    public void Dispose()
    {
        foreach (var memory in tables.Values) memory.Dispose();
        tables.Clear();
    }
}
