using ILGPU;

namespace PeftNative.Ilgpu.Kernels.Common;

/// <summary>
/// Reductions over the threads of a group. Every thread adds the same values in the same order, so the result is the
/// same for all and in every run. All threads of a group must call, at most <see cref="MostThreads"/>.
/// </summary>
internal static class GroupReduce
{
    public const int MostThreads = 256;

    public static float Sum(float value)
    {
        var values = SharedMemory.Allocate<float>(MostThreads);
        values[Group.IdxX] = value;
        Group.Barrier();
        var sum = 0f;
        for (var i = 0; i < Group.DimX; i++) sum += values[i];
        Group.Barrier();
        return sum;
    }

    public static float Max(float value)
    {
        var values = SharedMemory.Allocate<float>(MostThreads);
        values[Group.IdxX] = value;
        Group.Barrier();
        var max = values[0];
        for (var i = 1; i < Group.DimX; i++) max = values[i] > max ? values[i] : max;
        Group.Barrier();
        return max;
    }

    public static int Min(int value)
    {
        var values = SharedMemory.Allocate<int>(MostThreads);
        values[Group.IdxX] = value;
        Group.Barrier();
        var min = values[0];
        for (var i = 1; i < Group.DimX; i++) min = values[i] < min ? values[i] : min;
        Group.Barrier();
        return min;
    }
}
