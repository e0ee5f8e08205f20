using PeftNative.Cuda.Driver;
using PeftNative.Tensors;

namespace PeftNative.Cuda;

/// <summary>
/// Device memory for what one operation needs in between: partial sums and packed operands. It grows to the largest
/// demand and is used by one operation after the other, which the order of the stream makes safe.
/// </summary>
internal sealed class Workspace(CudaDevice device) : IDisposable
{
    private const int Alignment = 256;

    private CudaMemory? memory;
    private long used;

    /// <summary>Bytes held.</summary>
    public long Bytes => memory?.Bytes ?? 0;

    /// <summary>Begins an operation that needs so many elements in tensors cut off by <see cref="Take"/>.</summary>
    public void Begin(long bytes)
    {
        used = 0;
        if (bytes <= Bytes) return;
        memory?.Dispose(); // the driver waits for kernels that use it
        memory = null;
        memory = new CudaMemory(device, bytes, "workspace of the CUDA backend");
    }

    /// <summary>Cuts a tensor off; the content is undefined.</summary>
    public Tensor Take(DType type, int rows, int columns)
    {
        var bytes = Size(type, rows, columns);
        if (used + bytes > Bytes)
            throw new InvalidOperationException("an operation takes more workspace than it asked for");
        var tensor = new Tensor(memory!.Pointer + (nint)used, type, rows, columns, columns);
        used += bytes;
        return tensor;
    }

    /// <summary>Bytes that a tensor takes.</summary>
    public static long Size(DType type, long rows, long columns) =>
        Math.Max(1, (rows * columns * type.Size() + Alignment - 1) / Alignment) * Alignment;

    public void Dispose()
    {
        memory?.Dispose();
        memory = null;
    }
}
