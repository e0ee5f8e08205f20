using PeftNative.Tensors;

namespace PeftNative.Backends.Reference;

public sealed partial class ReferenceBackend
{
    /// <inheritdoc/>
    public double SumOfSquares(in Tensor x)
    {
        var sum = 0.0;
        for (var i = 0; i < x.Rows; i++)
            for (var j = 0; j < x.Columns; j++)
                sum += Elements.Get(x, i, j) * Elements.Get(x, i, j);
        return sum;
    }

    /// <inheritdoc/>
    public void AddScaled(in Tensor x, double scale, in Tensor y)
    {
        for (var i = 0; i < x.Rows; i++)
            for (var j = 0; j < x.Columns; j++)
                Elements.Add(y, i, j, scale * Elements.Get(x, i, j));
    }

    /// <inheritdoc/>
    public void Fill(in Tensor x, double value)
    {
        for (var i = 0; i < x.Rows; i++)
            for (var j = 0; j < x.Columns; j++)
                Elements.Set(x, i, j, value);
    }

    /// <inheritdoc/>
    public void Copy(in Tensor x, in Tensor y)
    {
        for (var i = 0; i < x.Rows; i++)
            for (var j = 0; j < x.Columns; j++)
                Elements.Set(y, i, j, Elements.Get(x, i, j));
    }
}
