using System.Runtime.InteropServices;
using PeftNative.Ops;

namespace PeftNative.Tensors;

/// <summary>Numbers between host arrays and a backend's tensors, converted to and from its compute type.</summary>
public static class HostValues
{
    /// <summary>Writes doubles into a contiguous fp32 or fp64 tensor; returns the tensor.</summary>
    public static Tensor Upload(IBackend backend, ReadOnlySpan<double> values, in Tensor target)
    {
        if (target.Type == DType.Float64)
        {
            backend.Upload(MemoryMarshal.AsBytes(values), target);
            return target;
        }
        var singles = new float[values.Length];
        for (var i = 0; i < singles.Length; i++) singles[i] = (float)values[i];
        backend.Upload(MemoryMarshal.AsBytes(singles.AsSpan()), target);
        return target;
    }

    /// <summary>Writes singles into a contiguous fp32 or fp64 tensor; returns the tensor.</summary>
    public static Tensor Upload(IBackend backend, ReadOnlySpan<float> values, in Tensor target)
    {
        if (target.Type == DType.Float32)
        {
            backend.Upload(MemoryMarshal.AsBytes(values), target);
            return target;
        }
        var doubles = new double[values.Length];
        for (var i = 0; i < doubles.Length; i++) doubles[i] = values[i];
        backend.Upload(MemoryMarshal.AsBytes(doubles.AsSpan()), target);
        return target;
    }

    /// <summary>Reads a contiguous fp32 or fp64 tensor as singles.</summary>
    public static float[] Download(IBackend backend, in Tensor source)
    {
        var result = new float[source.Count];
        Download(backend, source, result);
        return result;
    }

    /// <summary>Reads a contiguous fp32 or fp64 tensor as singles into an array.</summary>
    public static void Download(IBackend backend, in Tensor source, Span<float> target)
    {
        if (source.Type == DType.Float32)
        {
            backend.Download(source, MemoryMarshal.AsBytes(target));
            return;
        }
        var doubles = new double[target.Length];
        backend.Download(source, MemoryMarshal.AsBytes(doubles.AsSpan()));
        for (var i = 0; i < doubles.Length; i++) target[i] = (float)doubles[i];
    }

    /// <summary>Reads a contiguous fp32 or fp64 tensor as doubles.</summary>
    public static double[] DownloadDoubles(IBackend backend, in Tensor source)
    {
        if (source.Type != DType.Float64) return [.. Download(backend, source).Select(v => (double)v)];
        var result = new double[source.Count];
        backend.Download(source, MemoryMarshal.AsBytes(result.AsSpan()));
        return result;
    }

    /// <summary>The sum of a contiguous fp32 or fp64 tensor, in double precision and index order.</summary>
    public static double Sum(IBackend backend, in Tensor source)
    {
        var sum = 0.0;
        foreach (var value in DownloadDoubles(backend, source)) sum += value;
        return sum;
    }

    /// <summary>How many elements of a contiguous int32 tensor are 1.</summary>
    public static int CountOnes(IBackend backend, in Tensor source)
    {
        var values = new int[source.Count];
        backend.Download(source, MemoryMarshal.AsBytes(values.AsSpan()));
        return values.AsSpan().Count(1);
    }
}
