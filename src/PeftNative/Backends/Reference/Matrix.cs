using PeftNative.Tensors;

namespace PeftNative.Backends.Reference;

/// <summary>A host matrix of doubles, row by row.</summary>
internal sealed class Matrix(int rows, int columns)
{
    private readonly double[] values = new double[(long)rows * columns];

    public int Rows => rows;

    public int Columns => columns;

    public double this[int row, int column]
    {
        get => values[(long)row * columns + column];
        set => values[(long)row * columns + column] = value;
    }

    public Span<double> Row(int row) => values.AsSpan(checked(row * columns), columns);

    /// <summary>A copy of a tensor.</summary>
    public static Matrix Load(in Tensor tensor)
    {
        var result = new Matrix(tensor.Rows, tensor.Columns);
        for (var i = 0; i < tensor.Rows; i++)
            for (var j = 0; j < tensor.Columns; j++)
                result[i, j] = Elements.Get(tensor, i, j);
        return result;
    }

    /// <summary>Writes the values to a tensor; does nothing when it is absent.</summary>
    public void Store(in Tensor tensor)
    {
        if (!tensor.IsPresent) return;
        for (var i = 0; i < rows; i++)
            for (var j = 0; j < columns; j++)
                Elements.Set(tensor, i, j, this[i, j]);
    }

    /// <summary>Adds the values to a tensor; does nothing when it is absent.</summary>
    public void AddTo(in Tensor tensor)
    {
        if (!tensor.IsPresent) return;
        for (var i = 0; i < rows; i++)
            for (var j = 0; j < columns; j++)
                Elements.Add(tensor, i, j, this[i, j]);
    }

    public Matrix RowRange(int start, int count)
    {
        var result = new Matrix(count, columns);
        for (var i = 0; i < count; i++) Row(start + i).CopyTo(result.Row(i));
        return result;
    }

    public Matrix Transposed()
    {
        var result = new Matrix(columns, rows);
        for (var i = 0; i < rows; i++)
            for (var j = 0; j < columns; j++)
                result[j, i] = this[i, j];
        return result;
    }

    /// <summary>this · other.</summary>
    public Matrix Times(Matrix other) => TimesTransposed(other.Transposed());

    /// <summary>this · otherᵀ.</summary>
    public Matrix TimesTransposed(Matrix other)
    {
        var result = new Matrix(rows, other.Rows);
        for (var i = 0; i < rows; i++)
            for (var j = 0; j < other.Rows; j++)
                result[i, j] = Dot(Row(i), other.Row(j));
        return result;
    }

    /// <summary>The sums of the columns, as a matrix of one row.</summary>
    public Matrix ColumnSums()
    {
        var result = new Matrix(1, columns);
        for (var i = 0; i < rows; i++)
            for (var j = 0; j < columns; j++)
                result[0, j] += this[i, j];
        return result;
    }

    /// <summary>A new matrix of f(value, row, column).</summary>
    public Matrix Map(Func<double, int, int, double> f)
    {
        var result = new Matrix(rows, columns);
        for (var i = 0; i < rows; i++)
            for (var j = 0; j < columns; j++)
                result[i, j] = f(this[i, j], i, j);
        return result;
    }

    /// <summary>The product with a row vector, element by element; this matrix itself when the vector is
    /// absent.</summary>
    public Matrix TimesRow(in Tensor vector)
    {
        if (!vector.IsPresent) return this;
        var v = Load(vector);
        return Map((x, _, j) => x * v[0, j]);
    }

    /// <summary>The sum with a row vector; this matrix itself when the vector is absent.</summary>
    public Matrix PlusRow(in Tensor vector)
    {
        if (!vector.IsPresent) return this;
        var v = Load(vector);
        return Map((x, _, j) => x + v[0, j]);
    }

    /// <summary>The product with another matrix, element by element.</summary>
    public Matrix Hadamard(Matrix other) => Map((x, i, j) => x * other[i, j]);

    /// <summary>this += factor · other, whose row 0 meets row <paramref name="firstRow"/>.</summary>
    public void Add(Matrix other, double factor = 1, int firstRow = 0)
    {
        for (var i = 0; i < other.Rows; i++)
            for (var j = 0; j < other.Columns; j++)
                this[firstRow + i, j] += factor * other[i, j];
    }

    public static double Dot(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        var sum = 0.0;
        for (var i = 0; i < a.Length; i++) sum += a[i] * b[i];
        return sum;
    }
}
