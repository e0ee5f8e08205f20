using System.Runtime.InteropServices;

namespace PeftNative.Tensors;

/// <summary>
/// A matrix [rows, columns] in a backend's memory: a view that owns nothing. Its layout is part of the native ABI
/// (<c>pn_tensor</c>). Vectors are matrices of one row. <c>default</c> means "absent" wherever an operation has an
/// optional operand.
/// </summary>
/// <param name="Pointer">Address of the first element, in the memory space of the backend that allocated it.</param>
/// <param name="Type">Element type.</param>
/// <param name="Rows">Number of rows.</param>
/// <param name="Columns">Number of columns.</param>
/// <param name="Stride">Elements from one row to the next; at least <paramref name="Columns"/>.</param>
[StructLayout(LayoutKind.Sequential)]
public readonly record struct Tensor(nint Pointer, DType Type, int Rows, int Columns, int Stride)
{
    /// <summary>Whether the operand is there at all.</summary>
    public bool IsPresent => Pointer != 0;

    /// <summary>Rows times columns.</summary>
    public long Count => (long)Rows * Columns;

    /// <summary>Whether the rows follow each other without gaps.</summary>
    public bool IsContiguous => Stride == Columns || Rows <= 1;

    /// <summary>
    /// Columns <paramref name="start"/> to <paramref name="start"/> + <paramref name="count"/> of every row.
    /// </summary>
    public Tensor Slice(int start, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(start + count, Columns);
        return new Tensor(Pointer + (nint)start * Type.Size(), Type, Rows, count, Stride);
    }

    /// <summary>Rows <paramref name="start"/> to <paramref name="start"/> + <paramref name="count"/>.</summary>
    public Tensor RowRange(int start, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(start + count, Rows);
        return new Tensor(Pointer + (nint)start * Stride * Type.Size(), Type, count, Columns, Stride);
    }

    /// <summary>The same elements as a matrix of another shape; needs contiguous rows.</summary>
    public Tensor Reshape(int rows, int columns)
    {
        if (!IsContiguous || (long)rows * columns != Count)
            throw new ArgumentException($"cannot view {this} as [{rows}, {columns}]");
        return new Tensor(Pointer, Type, rows, columns, columns);
    }

    /// <summary>
    /// Makes sure that a number of bytes is all that the tensor has, without gaps, as copies to and from the host need.
    /// </summary>
    /// <exception cref="ArgumentException">It is not.</exception>
    public void CheckTransfer(int bytes)
    {
        if (!IsContiguous || Count * Type.Size() != bytes)
            throw new ArgumentException($"cannot copy {bytes} bytes to or from {this}");
    }

    /// <summary>Copies bytes to a host tensor.</summary>
    internal unsafe void CopyFrom(ReadOnlySpan<byte> source)
    {
        CheckTransfer(source.Length);
        source.CopyTo(new Span<byte>((void*)Pointer, source.Length));
    }

    /// <summary>Copies a host tensor to bytes.</summary>
    internal unsafe void CopyTo(Span<byte> target)
    {
        CheckTransfer(target.Length);
        new ReadOnlySpan<byte>((void*)Pointer, target.Length).CopyTo(target);
    }

    /// <summary>
    /// The elements of a host tensor in one span; needs contiguous rows and the matching element type.
    /// </summary>
    internal unsafe Span<T> Span<T>() where T : unmanaged => new((void*)Pointer, checked((int)Count));

    /// <summary>One row of a host tensor.</summary>
    internal unsafe Span<T> Row<T>(int row) where T : unmanaged =>
        new((T*)Pointer + (long)row * Stride, Columns);

    /// <inheritdoc/>
    public override string ToString() =>
        !IsPresent ? "absent" : $"{Type.Name()}[{Rows}, {Columns}]" + (IsContiguous ? "" : $" stride {Stride}");
}
