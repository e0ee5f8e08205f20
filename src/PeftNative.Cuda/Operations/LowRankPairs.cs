using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Cuda.Operations;

/// <summary>The layout of <c>LowRankPair</c> in kernels/include/low_rank.cuh.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct KernelPair(in LowRankPair pair, in Tensor ds, in KernelMask mask)
{
    public readonly Tensor A = pair.A, B = pair.B, S = pair.S, DS = ds, Dropped = pair.DroppedX, GradA = pair.GradA,
        GradB = pair.GradB;
    public readonly KernelMask Mask = mask;
    public readonly float Scale = (float)pair.Scale;
    public readonly int FirstRow = pair.RowStart, Rows = pair.RowCount;
}

/// <summary>The layout of <c>LowRankPairs</c>: the pairs of one launch.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KernelPairs
{
    /// <summary><c>most_pairs</c> in kernels/include/low_rank.cuh.</summary>
    public const int Capacity = 8;

    private Slots slots;
    private int count;

    public readonly int Count => count;

    /// <summary>The largest rank and the largest number of rows among the pairs.</summary>
    public readonly (int Rank, int Rows) Largest
    {
        get
        {
            var (rank, rows) = (0, 0);
            for (var p = 0; p < count; p++)
                (rank, rows) = (Math.Max(rank, slots[p].A.Rows), Math.Max(rows, slots[p].Rows));
            return (rank, rows);
        }
    }

    /// <summary>Whether no two pairs add to the same gradient, so that all may do so at once.</summary>
    public readonly bool HaveOwnGradients
    {
        get
        {
            for (var p = 1; p < count; p++)
                for (var q = 0; q < p; q++)
                    if (Same(slots[p].GradA, slots[q].GradA) || Same(slots[p].GradB, slots[q].GradB)) return false;
            return true;
        }
    }

    /// <summary>One of the pairs as a launch of its own.</summary>
    public readonly KernelPairs Only(int pair)
    {
        var one = new KernelPairs();
        one.Add(slots[pair]);
        return one;
    }

    public void Add(in KernelPair pair) => slots[count++] = pair;

    private static bool Same(in Tensor a, in Tensor b) => a.IsPresent && a.Pointer == b.Pointer;

    [InlineArray(Capacity)]
    private struct Slots
    {
        private KernelPair first;
    }
}
