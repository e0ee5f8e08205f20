using ILGPU;

namespace PeftNative.Ilgpu.Kernels.Common;

/// <summary>
/// A matrix of singles as kernels see it: transposing it swaps the two strides. Absent operands have no elements.
/// </summary>
internal readonly struct Matrix(ArrayView<float> data, int rows, int columns, int rowStride, int columnStride)
{
    private readonly ArrayView<float> data = data;
    private readonly int rowStride = rowStride, columnStride = columnStride;

    public readonly int Rows = rows, Columns = columns;

    public bool IsPresent => data.Length > 0;

    public Matrix Transposed => new(data, Columns, Rows, columnStride, rowStride);

    public float this[int row, int column] => data[(long)row * rowStride + (long)column * columnStride];

    public void Set(int row, int column, float value) =>
        data[(long)row * rowStride + (long)column * columnStride] = value;

    public void Add(int row, int column, float value) =>
        data[(long)row * rowStride + (long)column * columnStride] += value;

    /// <summary>Element of a row vector, or what stands for it where it is absent.</summary>
    public float Or(int column, float absent) => data.Length > 0 ? data[(long)column * columnStride] : absent;
}
