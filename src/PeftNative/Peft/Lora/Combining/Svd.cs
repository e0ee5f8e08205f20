namespace PeftNative.Peft.Lora.Combining;

/// <summary>
/// Singular value decomposition of a matrix, X = U diag(S) Vᵀ, by one-sided Jacobi rotations (Hestenes 1958; Demmel and
/// Veselić 1992: accurate to the last digits of even small singular values). Matrices are row by row. Time grows with
/// rows · columns² · sweeps.
/// </summary>
internal static class Svd
{
    private const int MostSweeps = 60;
    private const double Tolerance = 1e-15;

    /// <summary>The largest <paramref name="rank"/> singular values with their vectors, in falling order.</summary>
    /// <returns>U·diag(S) [rows, rank] and Vᵀ [rank, columns], zero beyond the matrix's own rank.</returns>
    internal static (double[] Left, double[] Right) Truncated(double[] matrix, int rows, int columns, int rank)
    {
        if (rows < columns)
        {
            // Of the transpose the roles change; the singular values then move over to the other side.
            var (left, right) = Truncated(Transposed(matrix, rows, columns), columns, rows, rank);
            return (MoveScale(left, right, columns, rows, rank), Transposed(Normalised(left, columns, rank),
                columns, rank));
        }
        var a = ColumnsOf(matrix, rows, columns);
        var v = Identity(columns);
        for (var sweep = 0; sweep < MostSweeps && Sweep(a, v); sweep++)
        {
        }
        return Largest(a, v, rows, columns, rank);
    }

    /// <summary>
    /// The same of a product left [rows, inner] · right [inner, columns] with a small inner size, without writing it
    /// out.
    /// </summary>
    internal static (double[] Left, double[] Right) OfProduct(double[] left, double[] right, int inner, int rank)
    {
        var (rows, columns) = (left.Length / inner, right.Length / inner);
        // left = U C with orthonormal columns in U, so the product is U (C right), and C right is small.
        var (scaled, c) = Truncated(left, rows, inner, inner);
        var u = Normalised(scaled, rows, inner);
        for (var r = 0; r < inner; r++)
        {
            var norm = Norm(scaled, rows, inner, r);
            foreach (ref var value in c.AsSpan(r * inner, inner)) value *= norm;
        }
        var (core, v) = Truncated(Product(c, right, inner, inner, columns), inner, columns, rank);
        return (Product(u, core, rows, inner, rank), v);
    }

    private static double[] Product(double[] x, double[] y, int rows, int inner, int columns)
    {
        var result = new double[rows * columns];
        for (var i = 0; i < rows; i++)
            for (var k = 0; k < inner; k++)
                for (var j = 0; j < columns; j++)
                    result[i * columns + j] += x[i * inner + k] * y[k * columns + j];
        return result;
    }

    // One rotation for every pair of columns that are not orthogonal yet; false when there was none.
    private static bool Sweep(double[][] a, double[][] v)
    {
        var rotated = false;
        for (var p = 0; p < a.Length - 1; p++)
            for (var q = p + 1; q < a.Length; q++)
            {
                var (alpha, beta, gamma) = (Dot(a[p], a[p]), Dot(a[q], a[q]), Dot(a[p], a[q]));
                if (!(Math.Abs(gamma) > Tolerance * Math.Sqrt(alpha * beta))) continue;
                rotated = true;
                var zeta = (beta - alpha) / (2 * gamma);
                var t = (zeta < 0 ? -1 : 1) / (Math.Abs(zeta) + Math.Sqrt(1 + zeta * zeta));
                var c = 1 / Math.Sqrt(1 + t * t);
                Rotate(a[p], a[q], c, c * t);
                Rotate(v[p], v[q], c, c * t);
            }
        return rotated;
    }

    private static void Rotate(double[] x, double[] y, double c, double s)
    {
        for (var i = 0; i < x.Length; i++) (x[i], y[i]) = (c * x[i] - s * y[i], s * x[i] + c * y[i]);
    }

    private static (double[] Left, double[] Right) Largest(double[][] a, double[][] v, int rows, int columns, int rank)
    {
        var order = Enumerable.Range(0, columns).OrderByDescending(j => Dot(a[j], a[j])).ToArray();
        var (left, right) = (new double[rows * rank], new double[rank * columns]);
        for (var r = 0; r < Math.Min(rank, columns); r++)
        {
            for (var i = 0; i < rows; i++) left[i * rank + r] = a[order[r]][i];
            v[order[r]].CopyTo(right, r * columns);
        }
        return (left, right);
    }

    // left [n, rank] holds U S and right [rank, m] holds Vᵀ of the transpose; gives V S of it, [m, rank].
    private static double[] MoveScale(double[] left, double[] right, int n, int m, int rank)
    {
        var moved = new double[m * rank];
        for (var r = 0; r < rank; r++)
        {
            var norm = Norm(left, n, rank, r);
            for (var i = 0; i < m; i++) moved[i * rank + r] = norm * right[r * m + i];
        }
        return moved;
    }

    private static double[] Normalised(double[] left, int n, int rank)
    {
        var result = (double[])left.Clone();
        for (var r = 0; r < rank; r++)
        {
            var norm = Norm(left, n, rank, r);
            for (var i = 0; i < n && norm > 0; i++) result[i * rank + r] /= norm;
        }
        return result;
    }

    private static double Norm(double[] matrix, int rows, int columns, int column)
    {
        var sum = 0.0;
        for (var i = 0; i < rows; i++) sum += matrix[i * columns + column] * matrix[i * columns + column];
        return Math.Sqrt(sum);
    }

    private static double[] Transposed(double[] matrix, int rows, int columns)
    {
        var result = new double[matrix.Length];
        for (var i = 0; i < rows; i++)
            for (var j = 0; j < columns; j++)
                result[j * rows + i] = matrix[i * columns + j];
        return result;
    }

    private static double[][] ColumnsOf(double[] matrix, int rows, int columns) =>
        [.. Enumerable.Range(0, columns)
            .Select(j => Enumerable.Range(0, rows).Select(i => matrix[i * columns + j]).ToArray())];

    private static double[][] Identity(int n) => [.. Enumerable.Range(0, n).Select(i =>
    {
        var row = new double[n];
        row[i] = 1;
        return row;
    })];

    private static double Dot(double[] x, double[] y)
    {
        var sum = 0.0;
        for (var i = 0; i < x.Length; i++) sum += x[i] * y[i];
        return sum;
    }
}
