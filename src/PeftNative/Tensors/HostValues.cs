using System.Buffers;
using System.Runtime.InteropServices;
using PeftNative.Ops;

namespace PeftNative.Tensors;

/// <summary>
/// Numbers between host arrays and a backend's contiguous tensors of any floating type. Narrowing rounds to nearest,
/// ties to even. Works in parts of fixed size, so nothing of a tensor's size is allocated on the way.
/// </summary>
public static class HostValues
{
    private const int PartLength = 1 << 15;

    /// <summary>Writes doubles; returns the tensor.</summary>
    public static Tensor Upload(IBackend backend, ReadOnlySpan<double> values, in Tensor target)
    {
        if (target.Type == DType.Float64)
        {
            backend.Upload(MemoryMarshal.AsBytes(values), target);
            return target;
        }
        var singles = ArrayPool<float>.Shared.Rent(PartLength);
        for (var start = 0; start < values.Length; start += PartLength)
        {
            var part = singles.AsSpan(0, Math.Min(PartLength, values.Length - start));
            FloatConversion.ToSingle(values.Slice(start, part.Length), part);
            Upload(backend, part, target, start);
        }
        ArrayPool<float>.Shared.Return(singles);
        return target;
    }

    /// <summary>Writes singles to the elements from number <paramref name="first"/> on; returns the tensor.</summary>
    public static Tensor Upload(IBackend backend, ReadOnlySpan<float> values, in Tensor target, long first = 0)
    {
        if (target.Type == DType.Float32)
        {
            backend.Upload(MemoryMarshal.AsBytes(values), Part(target, first, values.Length));
            return target;
        }
        var bytes = ArrayPool<byte>.Shared.Rent(PartLength * sizeof(double));
        for (var start = 0; start < values.Length; start += PartLength)
        {
            var part = values.Slice(start, Math.Min(PartLength, values.Length - start));
            var encoded = bytes.AsSpan(0, part.Length * target.Type.Size());
            Encode(part, target.Type, encoded);
            backend.Upload(encoded, Part(target, first + start, part.Length));
        }
        ArrayPool<byte>.Shared.Return(bytes);
        return target;
    }

    /// <summary>Reads a tensor as singles.</summary>
    public static float[] Download(IBackend backend, in Tensor source)
    {
        var result = new float[source.Count];
        Download(backend, source, result);
        return result;
    }

    /// <summary>Reads a tensor as singles into an array.</summary>
    public static void Download(IBackend backend, in Tensor source, Span<float> target)
    {
        if (source.Type == DType.Float32)
        {
            backend.Download(source, MemoryMarshal.AsBytes(target));
            return;
        }
        var bytes = ArrayPool<byte>.Shared.Rent(PartLength * sizeof(double));
        for (var start = 0; start < target.Length; start += PartLength)
        {
            var part = target.Slice(start, Math.Min(PartLength, target.Length - start));
            var encoded = bytes.AsSpan(0, part.Length * source.Type.Size());
            backend.Download(Part(source, start, part.Length), encoded);
            Decode(encoded, source.Type, part);
        }
        ArrayPool<byte>.Shared.Return(bytes);
    }

    /// <summary>Reads a tensor as doubles.</summary>
    public static double[] DownloadDoubles(IBackend backend, in Tensor source)
    {
        if (source.Type != DType.Float64) return [.. Download(backend, source).Select(v => (double)v)];
        var result = new double[source.Count];
        backend.Download(source, MemoryMarshal.AsBytes(result.AsSpan()));
        return result;
    }

    /// <summary>Rounds values to what a type can hold, in place.</summary>
    public static void Round(Span<float> values, DType type)
    {
        if (type is DType.Float32 or DType.Float64) return;
        var bytes = new byte[values.Length * type.Size()];
        Encode(values, type, bytes);
        Decode(bytes, type, values);
    }

    /// <summary>Y = X between contiguous tensors of the same shape, whatever their types.</summary>
    public static void Copy(IBackend backend, in Tensor x, in Tensor y)
    {
        if (x.Type == y.Type) backend.Copy(x, y);
        else Upload(backend, Download(backend, x), y);
    }

    /// <summary>The sum of a tensor, in double precision and index order.</summary>
    public static double Sum(IBackend backend, in Tensor source)
    {
        var sum = 0.0;
        var count = (int)source.Count;
        if (source.Type == DType.Float64)
        {
            var doubles = ArrayPool<double>.Shared.Rent(count);
            backend.Download(source, MemoryMarshal.AsBytes(doubles.AsSpan(0, count)));
            foreach (var value in doubles.AsSpan(0, count)) sum += value;
            ArrayPool<double>.Shared.Return(doubles);
            return sum;
        }
        var singles = ArrayPool<float>.Shared.Rent(count);
        Download(backend, source, singles.AsSpan(0, count));
        foreach (var value in singles.AsSpan(0, count)) sum += value;
        ArrayPool<float>.Shared.Return(singles);
        return sum;
    }

    /// <summary>How many elements of a contiguous int32 tensor are 1.</summary>
    public static int CountOnes(IBackend backend, in Tensor source)
    {
        var count = (int)source.Count;
        var values = ArrayPool<int>.Shared.Rent(count);
        backend.Download(source, MemoryMarshal.AsBytes(values.AsSpan(0, count)));
        var ones = values.AsSpan(0, count).Count(1);
        ArrayPool<int>.Shared.Return(values);
        return ones;
    }

    /// <summary>The transpose of a matrix that lies row by row.</summary>
    internal static float[] Transpose(ReadOnlySpan<float> matrix, int rows, int columns)
    {
        var turned = new float[matrix.Length];
        for (var row = 0; row < rows; row++)
        for (var column = 0; column < columns; column++)
            turned[column * rows + row] = matrix[row * columns + column];
        return turned;
    }

    private static Tensor Part(in Tensor whole, long first, int count)
    {
        if (!whole.IsContiguous || first + count > whole.Count)
            throw new ArgumentException($"{whole} has no elements {first} to {first + count} in a row");
        return new Tensor(whole.Pointer + (nint)(first * whole.Type.Size()), whole.Type, 1, count, count);
    }

    private static void Encode(ReadOnlySpan<float> values, DType type, Span<byte> bytes)
    {
        switch (type)
        {
            case DType.Float64: FloatConversion.FromSingle(values, MemoryMarshal.Cast<byte, double>(bytes)); break;
            case DType.BFloat16: FloatConversion.FromSingle(values, MemoryMarshal.Cast<byte, BFloat16>(bytes)); break;
            case DType.Float16: FloatConversion.FromSingle(values, MemoryMarshal.Cast<byte, Half>(bytes)); break;
            default: throw new ArgumentException($"{type.Name()} does not hold real numbers");
        }
    }

    private static void Decode(ReadOnlySpan<byte> bytes, DType type, Span<float> values)
    {
        switch (type)
        {
            case DType.Float64: FloatConversion.ToSingle(MemoryMarshal.Cast<byte, double>(bytes), values); break;
            case DType.BFloat16: FloatConversion.ToSingle(MemoryMarshal.Cast<byte, BFloat16>(bytes), values); break;
            case DType.Float16: FloatConversion.ToSingle(MemoryMarshal.Cast<byte, Half>(bytes), values); break;
            default: throw new ArgumentException($"{type.Name()} does not hold real numbers");
        }
    }
}
