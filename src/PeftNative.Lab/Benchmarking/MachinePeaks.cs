using System.Diagnostics;
using System.Numerics;
using System.Runtime.InteropServices;
using PeftNative.Backends.NativeCpu;

namespace PeftNative.Lab.Benchmarking;

/// <summary>The most the processor does, measured in the run whose rates are related to it.</summary>
/// <param name="Fp32">Multiply-adds in fp32 with operands in registers, GFLOP/s (an addition and a multiplication each
/// count one).</param>
/// <param name="Bf16">Dot products of bf16 pairs into fp32, GFLOP/s; 0 where the processor has no such
/// instruction.</param>
/// <param name="Reading">Reading memory larger than any cache, GB/s.</param>
/// <param name="Threads">Threads that took part.</param>
public sealed record MachinePeaks(double Fp32, double Bf16, double Reading, int Threads)
{
    /// <summary>
    /// Dot products of four bytes into 32-bit whole numbers, billions of operations per second; 0 where there is no
    /// such instruction.
    /// </summary>
    public double Int8 { get; init; }

    /// <summary>Measures, by native code where it is there; takes about half a second.</summary>
    /// <param name="threads">Threads; 0 for one per processor.</param>
    public static MachinePeaks Measure(int threads = 0)
    {
        var count = threads == 0 ? Environment.ProcessorCount : threads;
        if (!NativeCpuBackend.IsAvailable(out _))
            return new MachinePeaks(ManagedFp32(count) / 1e9, 0, ManagedReading(count) / 1e9, count);
        using var backend = NativeCpuBackend.Create(threads);
        var rates = Enum.GetValues<PeakKind>().Select(backend.MeasurePeak).Select(r => r / 1e9).ToArray();
        return new MachinePeaks(rates[0], rates[1], rates[2], count) { Int8 = rates[3] };
    }

    private static double ManagedFp32(int threads)
    {
        const int Rounds = 2_000_000;
        return BestRate(threads, 8.0 * 2 * Vector<float>.Count * Rounds, _ =>
        {
            Vector<float> x = new(0.999f), y = Vector<float>.One;
            var (a, b, c, d, e, f, g, h) = (y, y, y, y, y, y, y, y);
            for (var i = 0; i < Rounds; i++)
            {
                a = Vector.FusedMultiplyAdd(a, x, y);
                b = Vector.FusedMultiplyAdd(b, x, y);
                c = Vector.FusedMultiplyAdd(c, x, y);
                d = Vector.FusedMultiplyAdd(d, x, y);
                e = Vector.FusedMultiplyAdd(e, x, y);
                f = Vector.FusedMultiplyAdd(f, x, y);
                g = Vector.FusedMultiplyAdd(g, x, y);
                h = Vector.FusedMultiplyAdd(h, x, y);
            }
            return Vector.Sum(a + b + c + d + e + f + g + h);
        });
    }

    private static double ManagedReading(int threads)
    {
        var words = (256 << 20) / sizeof(ulong) / threads;
        ulong[][] parts = [.. Enumerable.Range(0, threads).Select(_ => new ulong[words])];
        foreach (var part in parts) Array.Fill(part, 1UL);
        return BestRate(threads, (double)words * sizeof(ulong), worker =>
        {
            var sum = Vector<ulong>.Zero;
            foreach (var vector in MemoryMarshal.Cast<ulong, Vector<ulong>>(parts[worker])) sum += vector;
            return Vector.Sum(sum);
        });
    }

    private static double BestRate<T>(int threads, double workPerThread, Func<int, T> body)
    {
        var best = 0.0;
        for (var round = 0; round < 8; round++)
        {
            var kept = new T[threads];
            var clock = Stopwatch.StartNew();
            Parallel.For(0, threads, new ParallelOptions { MaxDegreeOfParallelism = threads }, t => kept[t] = body(t));
            best = Math.Max(best, workPerThread * threads / clock.Elapsed.TotalSeconds);
            GC.KeepAlive(kept);
        }
        return best;
    }
}
