namespace PeftNative.Quantization;

/// <summary>
/// Quantises a matrix that comes in parts, row by row: each element becomes the code whose value times the block's
/// maximum is nearest. Not thread-safe.
/// </summary>
internal sealed class BlockQuantizer
{
    private readonly QuantizationOptions options;
    private readonly float[] book, limits;
    private readonly int[] order;
    private readonly byte[] codes;
    private readonly float[] maxima;
    private readonly long count;
    private long done;

    internal BlockQuantizer(QuantizationOptions options, int rows, int columns)
    {
        this.options = options;
        count = (long)rows * columns;
        BlockSize = options.Type == QuantizationType.Int8 ? columns : options.BlockSize;
        book = options.Type switch { QuantizationType.Nf4 =>
            [.. CodeBooks.Nf4], QuantizationType.Fp4 => [.. CodeBooks.Fp4], _ => [] };
        (order, limits) = Limits(book);
        codes = new byte[book.Length > 0 ? (count + 1) / 2 : count];
        maxima = new float[(count + BlockSize - 1) / BlockSize];
    }

    /// <summary>Elements of a block; parts are whole blocks, but for the last.</summary>
    internal int BlockSize { get; }

    /// <summary>Takes the next elements.</summary>
    internal void Add(ReadOnlySpan<float> values)
    {
        for (var start = 0; start < values.Length; start += BlockSize)
        {
            var block = values.Slice(start, Math.Min(BlockSize, values.Length - start));
            var maximum = 0f;
            foreach (var value in block) maximum = Math.Max(maximum, Math.Abs(value));
            maxima[done / BlockSize] = maximum;
            foreach (var value in block) Put(done++, Share(value, maximum, block.Length == BlockSize));
        }
        // The second half of the last byte of an odd number of elements is a zero too.
        if (done == count && book.Length > 0 && count % 2 != 0) Put(count, 0);
    }

    // bitsandbytes multiplies whole blocks of 4-bit codes by the reciprocal and divides the short one at the end.
    private float Share(float value, float maximum, bool isWhole) => maximum == 0 ? 0
        : book.Length > 0 && isWhole ? value * (1 / Math.Max(maximum, 1e-38f))
        : value / maximum;

    /// <summary>The result, when all elements are there.</summary>
    internal QuantizedMatrix Finish()
    {
        if (done != count) throw new InvalidOperationException($"{done} of {count} elements were quantised");
        var matrix = new QuantizedMatrix(codes, book, BlockSize, maxima);
        return options.DoubleQuantization && book.Length > 0 ? WithCodedMaxima(matrix) : matrix;
    }

    /// <summary>The maxima of a matrix, decoded where they are quantised.</summary>
    internal static float[] Maxima(QuantizedMatrix matrix) => matrix.MaximaCodes is not { } codes ? matrix.Maxima
        : [.. codes.Select((code, b) => (matrix.MaximaBook[code] * matrix.MaximaScales[b / MaximaBlock])
            + matrix.MaximaOffset)];

    /// <summary>
    /// The same with a maximum for every 16 elements; see <see cref="QuantizationOptions.ReadsMaximaByRow"/>.
    /// </summary>
    internal static QuantizedMatrix ByRow(QuantizedMatrix matrix, int columns)
    {
        const int Step = 16;
        if (columns % Step != 0 || matrix.Book.Length == 0) return matrix;
        var (maxima, perRow) = (Maxima(matrix), columns / matrix.BlockSize);
        var steps = new float[(long)matrix.Codes.Length * 2 / Step];
        for (var s = 0; s < steps.Length; s++)
        {
            var (row, column) = Math.DivRem(s * Step, columns);
            steps[s] = maxima[(row * perRow) + (column / matrix.BlockSize)];
        }
        return new QuantizedMatrix(matrix.Codes, matrix.Book, Step, steps);
    }

    private const int MaximaBlock = 256;

    private void Put(long index, float share)
    {
        if (book.Length == 0) codes[index] = (byte)(sbyte)MathF.Round(share * 127);
        else codes[index / 2] |= (byte)(Nearest(share, limits, order) << (index % 2 == 0 ? 4 : 0));
    }

    private static QuantizedMatrix WithCodedMaxima(QuantizedMatrix matrix)
    {
        var offset = (float)matrix.Maxima.Average(m => (double)m);
        var scales = new float[(matrix.Maxima.Length + MaximaBlock - 1) / MaximaBlock];
        for (var b = 0; b < matrix.Maxima.Length; b++)
            scales[b / MaximaBlock] = Math.Max(scales[b / MaximaBlock], Math.Abs(matrix.Maxima[b] - offset));
        var (order, limits) = Limits(CodeBooks.DynamicMap);
        var coded = new byte[matrix.Maxima.Length];
        for (var b = 0; b < coded.Length; b++)
            coded[b] = scales[b / MaximaBlock] == 0 ? (byte)0
                : Nearest(OnGrid((matrix.Maxima[b] - offset) * (1 / scales[b / MaximaBlock])), limits, order);
        return matrix with { Maxima = [], MaximaCodes = coded, MaximaScales = scales, MaximaOffset = offset };
    }

    // bitsandbytes looks the code up in a table of 65,536 equal steps from -1 to 1 (csrc/cpu_ops.cpp), so a share is
    // rounded to one of them first; near a middle, and near zero, another code than the nearest comes of it.
    private static float OnGrid(float share)
    {
        const int Last = 65535;
        var step = (int)(((Math.Clamp(share, -1, 1) + 1) * 0.5f * Last) + 0.5f);
        return -1 + (2f * step / Last);
    }

    // Codes in the order of their values, and the middles between neighbours.
    private static (int[] Order, float[] Limits) Limits(float[] book)
    {
        int[] order = [.. Enumerable.Range(0, book.Length).OrderBy(i => book[i]).ThenByDescending(i => i)];
        return (order, [.. order.Zip(order.Skip(1)).Select(p => (book[p.First] + book[p.Second]) / 2)]);
    }

    private static byte Nearest(float value, float[] limits, int[] order)
    {
        var (low, high) = (0, limits.Length);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (value > limits[middle]) low = middle + 1;
            else high = middle;
        }
        return (byte)order[low];
    }
}
