using PeftNative.Ops;

namespace PeftNative.Tensors;

/// <summary>
/// A block of a backend's memory. Owned by one <see cref="Arena"/>; frees itself when disposed. Used by one thread at a
/// time, like its backend.
/// </summary>
public abstract class DeviceMemory(nint pointer, long bytes) : IDisposable
{
    /// <summary>Address of the first byte, at least 64-byte aligned.</summary>
    public nint Pointer { get; protected set; } = pointer;

    /// <summary>Size in bytes.</summary>
    public long Bytes { get; } = bytes;

    /// <inheritdoc/>
    public abstract void Dispose();
}

/// <summary>
/// Memory of one lifetime (weights, a step, the optimizer): tensors are cut from its end and all given back at once.
/// The first rounds may take several blocks; <see cref="Reset"/> then replaces them by one block of the size that was
/// needed, so that later rounds allocate nothing. Not thread-safe.
/// </summary>
/// <param name="backend">Whose memory it is.</param>
/// <param name="purpose">What it holds, for errors.</param>
/// <param name="grows">
/// Whether blocks grow with what there is, for arenas of many tensors that are filled round after round: in small
/// blocks the ends that the next tensor does not fit into add up. Otherwise a tensor takes no more than its own size.
/// </param>
public sealed class Arena(IBackend backend, string purpose, bool grows = false) : IDisposable
{
    private const long Alignment = 64;
    private const long SmallestBlock = 1 << 20, LargestStep = 64 << 20;

    private readonly List<DeviceMemory> blocks = [];
    private int current;
    private long used;
    private long before; // bytes handed out of the blocks in front of the current one

    /// <summary>Bytes handed out since the last reset.</summary>
    public long Used => before + used;

    /// <summary>The most bytes that were ever handed out at once.</summary>
    public long Peak { get; private set; }

    /// <summary>Bytes held from the backend.</summary>
    public long Reserved => blocks.Sum(b => b.Bytes);

    /// <summary>Cuts a tensor off; its content is undefined.</summary>
    /// <exception cref="ResourceException">The backend has no more memory.</exception>
    public Tensor Allocate(DType type, int rows, int columns)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfNegative(columns);
        var bytes = BytesOf(type, rows, columns);
        while (current < blocks.Count && used + bytes > blocks[current].Bytes) NextBlock();
        if (current == blocks.Count) blocks.Add(backend.Allocate(Math.Max(bytes, NextSize()), purpose));
        var pointer = blocks[current].Pointer + (nint)used;
        used += bytes;
        Peak = Math.Max(Peak, Used);
        return new Tensor(pointer, type, rows, columns, columns);
    }

    /// <summary>What a tensor takes of an arena.</summary>
    internal static long BytesOf(DType type, int rows, int columns) =>
        Math.Max(Alignment, checked(((long)rows * columns * type.Size() + Alignment - 1) / Alignment * Alignment));

    /// <summary>
    /// Makes room for so many bytes in one block: in the present one or, where that has not enough left, in a new one.
    /// </summary>
    /// <exception cref="ResourceException">The backend has no more memory.</exception>
    public void Reserve(long bytes)
    {
        for (var i = current; i < blocks.Count; i++)
            if (blocks[i].Bytes - (i == current ? used : 0) >= bytes) return;
        if (Used == 0)
        {
            Dispose();
            current = 0;
        }
        blocks.Add(backend.Allocate(Math.Max(bytes, SmallestBlock), purpose));
    }

    /// <summary>Remembers the present end, for <see cref="Release"/>.</summary>
    public ArenaMark Mark() => new(current, used, before);

    /// <summary>Gives back everything cut off since the mark.</summary>
    public void Release(ArenaMark mark) => (current, used, before) = (mark.Block, mark.Used, mark.Before);

    /// <summary>
    /// Gives everything back; if more than one block was in use, one block of the peak size takes their place.
    /// </summary>
    public void Reset()
    {
        (current, used, before) = (0, 0, 0);
        if (blocks.Count <= 1) return;
        Dispose();
        blocks.Add(backend.Allocate(Peak, purpose));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var block in blocks) block.Dispose();
        blocks.Clear();
    }

    private long NextSize() => grows ? Math.Clamp(Reserved / 4, SmallestBlock, LargestStep) : SmallestBlock;

    private void NextBlock()
    {
        before += used;
        current++;
        used = 0;
    }
}

/// <summary>A position in an <see cref="Arena"/>.</summary>
public readonly record struct ArenaMark(int Block, long Used, long Before)
{
    /// <summary>Bytes handed out before it.</summary>
    public long Total => Before + Used;
}
