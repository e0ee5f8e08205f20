using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Peft.Lora;

/// <summary>
/// Adds low-rank products to weights. Runs on the host in double precision, because it runs once and should be exact.
/// </summary>
internal static class LoraMerge
{
    /// <summary>W [N, K] += scale · B [N, R] A [R, K].</summary>
    internal static void Add(IBackend backend, in Tensor w, in Tensor a, in Tensor b, double scale)
    {
        var (left, right) = (HostValues.DownloadDoubles(backend, b), HostValues.DownloadDoubles(backend, a));
        AddProduct(backend, w, left, right, b.Columns, scale);
    }

    /// <summary>Table [V, D] += scale · (B [D, R] A [R, V])ᵀ.</summary>
    internal static void AddTransposed(IBackend backend, in Tensor table, in Tensor a, in Tensor b, double scale)
    {
        var left = Transpose(HostValues.DownloadDoubles(backend, a), a.Rows, a.Columns);
        var right = Transpose(HostValues.DownloadDoubles(backend, b), b.Rows, b.Columns);
        AddProduct(backend, table, left, right, a.Rows, scale);
    }

    /// <summary>Row n of W is multiplied by numerator[n] / denominator[n].</summary>
    internal static void ScaleRows(IBackend backend, in Tensor w, double[] numerator, double[] denominator)
    {
        var values = HostValues.DownloadDoubles(backend, w);
        var columns = w.Columns;
        for (var n = 0; n < w.Rows; n++)
        {
            var factor = numerator[n] / denominator[n];
            foreach (ref var value in values.AsSpan(n * columns, columns)) value *= factor;
        }
        HostValues.Upload(backend, values, w);
    }

    /// <summary>Column d of a table is multiplied by numerator[d] / denominator[d].</summary>
    internal static void ScaleColumns(IBackend backend, in Tensor table, double[] numerator, double[] denominator)
    {
        var values = HostValues.DownloadDoubles(backend, table);
        for (var i = 0; i < values.Length; i++)
            values[i] *= numerator[i % table.Columns] / denominator[i % table.Columns];
        HostValues.Upload(backend, values, table);
    }

    private static void AddProduct(IBackend backend, in Tensor target, double[] left, double[] right, int rank,
        double scale)
    {
        var values = HostValues.DownloadDoubles(backend, target);
        var columns = target.Columns;
        Parallel.For(0, target.Rows, n =>
        {
            var row = values.AsSpan(n * columns, columns);
            for (var r = 0; r < rank; r++)
            {
                var factor = scale * left[n * rank + r];
                var source = right.AsSpan(r * columns, columns);
                for (var k = 0; k < columns; k++) row[k] += factor * source[k];
            }
        });
        HostValues.Upload(backend, values, target);
    }

    internal static double[] Transpose(double[] values, int rows, int columns)
    {
        var result = new double[values.Length];
        for (var r = 0; r < rows; r++)
        for (var c = 0; c < columns; c++)
            result[c * rows + r] = values[r * columns + c];
        return result;
    }
}
