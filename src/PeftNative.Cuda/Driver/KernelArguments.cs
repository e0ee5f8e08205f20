using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Text;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Cuda.Driver;

/// <summary>
/// The arguments of one launch, by value and in the order of the kernel's parameters; lives on the stack. A
/// <see cref="Tensor"/> is passed whole, as the <c>Tensor</c> of <c>kernels/include</c>; absent ones have a null
/// pointer.
/// </summary>
internal unsafe struct KernelArguments
{
    private const int Capacity = 2304, MostArguments = 40;

    private fixed byte storage[Capacity];
    private fixed short offsets[MostArguments];
    private ulong tensors; // bit i: argument i is a tensor
    private int count, used;

    /// <summary>Adds an argument; returns this, for chaining.</summary>
    [UnscopedRef]
    public ref KernelArguments Add<T>(T value) where T : unmanaged
    {
        used = (used + 7) / 8 * 8;
        if (count == MostArguments || used + sizeof(T) > Capacity)
            throw new InvalidOperationException("too many kernel arguments");
        if (typeof(T) == typeof(DropoutMask)) throw new InvalidOperationException("kernels take masks as KernelMask");
        if (typeof(T) == typeof(Tensor)) tensors |= 1ul << count;
        offsets[count++] = (short)used;
        Unsafe.WriteUnaligned(ref storage[used], value);
        used += sizeof(T);
        return ref this;
    }

    /// <summary>Starts a kernel with these arguments.</summary>
    public readonly CudaResult Launch(ICudaDriver driver, nint function, in LaunchShape shape, nint stream)
    {
        Span<nint> pointers = stackalloc nint[MostArguments];
        fixed (byte* first = storage)
        {
            for (var i = 0; i < count; i++) pointers[i] = (nint)first + offsets[i];
            return driver.Launch(function, shape, stream, pointers[..count]);
        }
    }

    /// <summary>The shapes of the operands, for messages.</summary>
    public readonly string Describe()
    {
        var text = new StringBuilder();
        for (var i = 0; i < count; i++)
        {
            if ((tensors >> i & 1) == 0) continue;
            if (text.Length > 0) text.Append(", ");
            fixed (byte* first = storage) text.Append(Unsafe.ReadUnaligned<Tensor>(first + offsets[i]));
        }
        return text.Length > 0 ? text.ToString() : "none";
    }
}
