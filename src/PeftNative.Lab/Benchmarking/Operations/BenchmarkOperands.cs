using System.Runtime.InteropServices;
using PeftNative.Determinism;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Lab.Benchmarking.Operations;

/// <summary>Makes the operands of a benchmark on a backend, and owns them.</summary>
internal sealed class BenchmarkOperands(IBackend backend) : IDisposable
{
    private const ulong Seed = 1;

    private readonly Arena arena = new(backend, "benchmark");
    private ulong drawn;

    /// <summary>What computes.</summary>
    public IBackend Backend => backend;

    /// <summary>Bytes of an activation or a frozen weight.</summary>
    public int ElementSize => backend.ComputeType.Size();

    /// <summary>Activations or a frozen weight, about normal in [-1, 1].</summary>
    public Tensor Matrix(int rows, int columns) => Random(backend.ComputeType, rows, columns);

    /// <summary>Something trained, or a vector.</summary>
    public Tensor Parameter(int rows, int columns) => Random(backend.ParameterType, rows, columns);

    /// <summary>A result, zeros at first: activations.</summary>
    public Tensor Result(int rows, int columns) => Zeros(backend.ComputeType, rows, columns);

    /// <summary>A result, zeros at first: gradients of parameters, statistics.</summary>
    public Tensor Statistic(int rows, int columns) => Zeros(backend.ParameterType, rows, columns);

    /// <summary>Whole numbers.</summary>
    public Tensor Integers(int rows, int columns, Func<int, int> value)
    {
        var tensor = arena.Allocate(DType.Int32, rows, columns);
        int[] values = [.. Enumerable.Range(0, rows * columns).Select(value)];
        backend.Upload(MemoryMarshal.AsBytes(values.AsSpan()), tensor);
        return tensor;
    }

    /// <summary>Random codes of 8 bits.</summary>
    public Tensor Codes(int rows, int columns)
    {
        var stream = new RandomStream(Seed, RandomPurpose.SyntheticData, ++drawn);
        var tensor = arena.Allocate(DType.Int8, rows, columns);
        var codes = new byte[tensor.Count];
        for (var i = 0; i < codes.Length; i++)
            codes[i] = i < 4096 ? (byte)stream.Below(256, (ulong)i) : codes[i - 4093];
        backend.Upload(codes, tensor);
        return tensor;
    }

    /// <summary>Random whole numbers from 0 to below a limit.</summary>
    public Tensor RandomIntegers(int count, int below)
    {
        var stream = new RandomStream(Seed, RandomPurpose.SyntheticData, ++drawn);
        return Integers(1, count, i => stream.Below(below, (ulong)i));
    }

    /// <summary>Runs something several times and waits until a device is done with it.</summary>
    public Action Repeat(Action run, int times)
    {
        var (last, bytes) = (arena.Allocate(DType.Int32, 1, 1), new byte[sizeof(int)]);
        return () =>
        {
            for (var i = 0; i < times; i++) run();
            backend.Download(last, bytes); // waits for pending work
        };
    }

    /// <inheritdoc/>
    public void Dispose() => arena.Dispose();

    private Tensor Zeros(DType type, int rows, int columns)
    {
        var tensor = arena.Allocate(type, rows, columns);
        backend.Fill(tensor, 0);
        return tensor;
    }

    private Tensor Random(DType type, int rows, int columns)
    {
        var tensor = arena.Allocate(type, rows, columns);
        var stream = new RandomStream(Seed, RandomPurpose.SyntheticData, ++drawn);
        var values = new float[tensor.Count];
        for (var i = 0; i < values.Length; i++)
            // repeats with a period that no tile has
            values[i] = i < 4096 ? stream.UniformSingle((ulong)i) * 2 - 1 : values[i - 4093];
        return HostValues.Upload(backend, values, tensor);
    }
}
