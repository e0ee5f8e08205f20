using System.Runtime.InteropServices;
using PeftNative.Ops;

namespace PeftNative.Cuda.Operations;

/// <summary>The layout of <c>DropoutMask</c> in kernels/include/philox.cuh.</summary>
/// <param name="mask">The mask.</param>
/// <param name="moved">Address of what is added to its stream when the kernel runs, or 0.</param>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct KernelMask(in DropoutMask mask, nint moved)
{
    public readonly float Probability = mask.Probability;
    public readonly ulong Key = mask.Key, Stream = mask.Stream;
    public readonly nint Moved = moved;
}
