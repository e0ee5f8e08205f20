using System.Runtime.InteropServices;
using PeftNative.Ops;
using PeftNative.Tensors;
using Xunit;

namespace PeftNative.Cuda.Tests;

/// <summary>Operations as a CUDA graph.</summary>
public sealed class GraphTests
{
    private const int Count = 37;

    [Fact]
    public void A_graph_gives_the_bits_of_single_operations_with_other_values_every_time()
    {
        var eager = Steps(false);
        Assert.Equal(eager, Steps(true));
        Assert.NotEqual(eager[0], eager[^1]);
    }

    [Fact]
    public void A_graph_that_is_given_back_leaves_nothing_behind()
    {
        Emulator.Require();
        var before = Emulator.Live();
        Steps(true);
        Assert.Equal(before, Emulator.Live());
    }

    [Fact]
    public void The_whole_sequence_is_one_call_of_the_driver_once_it_is_recorded()
    {
        using var backend = Emulator.Open();
        using var arena = new Arena(backend, "test");
        using var graph = backend.CreateGraph();
        var x = arena.Allocate(DType.Float32, 3, Count);
        void Fills()
        {
            for (var i = 0; i < 20; i++) backend.Fill(x, i);
        }
        for (var run = 0; run < 3; run++) graph.Run(Fills);
        Assert.Contains("executables 1", Emulator.Live());
        Assert.All(HostValues.Download(backend, x), v => Assert.Equal(19, v));
    }

    [Fact]
    public void Operations_that_read_back_run_as_they_are()
    {
        using var backend = Emulator.Open();
        using var arena = new Arena(backend, "test");
        using var graph = backend.CreateGraph();
        var x = arena.Allocate(DType.Float32, 1, Count);
        for (var run = 1; run <= 3; run++)
        {
            var sum = 0.0;
            graph.Run(() =>
            {
                backend.Fill(x, run);
                sum = backend.SumOfSquares(x);
            });
            Assert.Equal(Count * run * run, sum);
        }
    }

    /// <summary>Optimizer steps with another gradient and learning rate each time.</summary>
    private static float[][] Steps(bool recorded)
    {
        using var backend = Emulator.Open();
        using var arena = new Arena(backend, "test");
        using var graph = backend.CreateGraph();
        var (values, first, second) = (Zeros(backend, arena), Zeros(backend, arena), Zeros(backend, arena));
        var gradient = arena.Allocate(DType.Float32, 1, Count);
        var results = new List<float[]>();
        for (var step = 1; step <= 5; step++)
        {
            var number = step;
            void Step()
            {
                float[] uploaded = [.. Enumerable.Range(0, Count).Select(i => (i % 5 - 2) * 0.1f * number)];
                backend.Upload(MemoryMarshal.AsBytes<float>(uploaded), gradient);
                backend.Run(new AdamWOp
                {
                    Values = values, Gradients = gradient, FirstMoment = first, SecondMoment = second, Step = number,
                    LearningRate = 0.01 / number, Beta1 = 0.9, Beta2 = 0.999, Epsilon = 1e-8, WeightDecay = 0.1, GradientScale = 1,
                });
            }
            if (recorded) graph.Run(Step);
            else Step();
            results.Add(HostValues.Download(backend, values));
        }
        return [.. results];
    }

    private static Tensor Zeros(CudaBackend backend, Arena arena)
    {
        var tensor = arena.Allocate(DType.Float32, 1, Count);
        backend.Fill(tensor, 0);
        return tensor;
    }
}
