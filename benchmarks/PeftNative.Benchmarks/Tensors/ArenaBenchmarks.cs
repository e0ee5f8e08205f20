using BenchmarkDotNet.Attributes;
using PeftNative.Backends.Reference;
using PeftNative.Tensors;

namespace PeftNative.Benchmarks.Tensors;

/// <summary>
/// What a step pays for its memory: after warm-up no allocation, managed or native, and a few nanoseconds per tensor.
/// </summary>
[MemoryDiagnoser]
public class ArenaBenchmarks
{
    private ReferenceBackend backend = null!;
    private Arena arena = null!;

    /// <summary>Tensors of a step: about thirty for each layer.</summary>
    [Params(30, 360)]
    public int Tensors { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        backend = ReferenceBackend.Create(DType.Float32);
        arena = new Arena(backend, "benchmark");
        Step();
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        arena.Dispose();
        backend.Dispose();
    }

    [Benchmark]
    public long Step()
    {
        arena.Reset();
        for (var i = 0; i < Tensors; i++) arena.Allocate(DType.Float32, 64, 64);
        return arena.Used;
    }
}
