using System.Runtime.InteropServices;
using PeftNative.Backends;
using PeftNative.Cuda.Driver;
using PeftNative.Ops;
using PeftNative.Tensors;
using Xunit;

namespace PeftNative.Cuda.Tests;

/// <summary>What is said and what is left behind when the driver refuses.</summary>
public sealed class DriverErrorTests
{
    private const int Rows = 5, Inputs = 70, Outputs = 33, Rank = 3;

    [Fact]
    public void Too_much_memory_is_refused_with_its_purpose_and_what_is_free()
    {
        using var backend = Emulator.Open();
        var error = Assert.Throws<ResourceException>(() => backend.Allocate(1L << 50, "the impossible"));
        Assert.Contains("for the impossible", error.Where);
        Assert.Contains("bytes are free", error.Where);
        Assert.Equal(7, error.ExitCode);
    }

    [Fact]
    public void A_refused_launch_names_the_call_the_kernel_its_grid_and_the_shapes()
    {
        using var backend = Emulator.Open();
        using var arena = new Arena(backend, "test");
        var x = arena.Allocate(DType.Float32, 3, 40);
        Emulator.Fail(1, CudaResult.LaunchOutOfResources, "cuLaunchKernel");
        var error = Assert.Throws<CudaException>(() => backend.Fill(x, 1));
        Assert.Contains("cuLaunchKernel answered CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", error.What);
        Assert.Equal("fill_fp32, grid 3, block 64, operands fp32[3, 40]", error.Where);
    }

    [Fact]
    public void A_device_that_stops_is_told_where_one_waits_with_the_last_kernel()
    {
        using var backend = Emulator.Open();
        using var arena = new Arena(backend, "test");
        var x = arena.Allocate(DType.Float32, 1, 4);
        backend.Fill(x, 1);
        Emulator.Fail(1, CudaResult.LaunchFailed, "cuStreamSynchronize");
        var error = Assert.Throws<CudaException>(() => backend.Download(x, new byte[16]));
        Assert.Contains("The device stopped", error.What);
        Assert.Contains("fill_fp32", error.Where);
        Assert.Contains(CudaBackend.SynchronousVariable, error.Remedy);
    }

    [Fact]
    public void An_access_outside_device_memory_is_a_stopped_device()
    {
        using (var backend = Emulator.Open())
        {
            using var arena = new Arena(backend, "test");
            var x = arena.Allocate(DType.Float32, 1, 4);
            backend.Fill(x with { Columns = 1 << 24 }, 1);
            Assert.Throws<CudaException>(() => backend.Download(x, new byte[16]));
        }
        using var again = Emulator.Open(); // the context is a new one
        Assert.Equal(1, Sum(again));
    }

    [Fact]
    public void A_device_that_is_not_there_is_refused_with_the_number_of_devices()
    {
        var driver = Emulator.Require();
        var error = Assert.Throws<UsageException>(() => CudaBackend.Create(driver, DType.Float32, 7));
        Assert.Equal("There is no CUDA device 7.", error.What);
        Assert.Contains("This machine has 1", error.Remedy);
    }

    [Fact]
    public void A_type_it_does_not_compute_in_is_refused()
    {
        var driver = Emulator.Require();
        Assert.Throws<UsageException>(() => CudaBackend.Create(driver, DType.Float64, 0));
    }

    [Fact]
    public void A_token_outside_the_table_is_refused_before_anything_is_launched()
    {
        using var backend = Emulator.Open();
        using var arena = new Arena(backend, "test");
        var tokens = arena.Allocate(DType.Int32, 1, 2);
        backend.Upload(MemoryMarshal.AsBytes<int>([3, 4]), tokens);
        var op = new EmbeddingOp { Tokens = tokens, Table = arena.Allocate(DType.Float32, 4, 8), TokenScale = 1,
            Y = arena.Allocate(DType.Float32, 2, 8) };
        var error = Assert.Throws<DataException>(() => backend.Forward(op));
        Assert.Contains("Tokens[1] is 4, outside [0, 4)", error.Message);
    }

    [Fact]
    public void A_failing_call_at_every_position_is_one_error_and_leaves_nothing_behind()
    {
        Emulator.Require();
        var before = Emulator.Live();
        var first = Emulator.Calls;
        Work();
        var calls = Emulator.Calls - first;
        Assert.Equal(before, Emulator.Live());
        var refused = 0;
        foreach (var result in (CudaResult[])[CudaResult.OutOfMemory, CudaResult.LaunchFailed])
            for (var k = 1; k < calls; k++) // the last call gives the context back, which ends a lost device
            {
                Emulator.Fail(k, result);
                var error = Record.Exception(Work);
                Emulator.Fail(0, result);
                if (error is null)
                {
                    // giving back at the end failed, and what was not given back is still there
                    before = Emulator.Live();
                    continue;
                }
                Assert.Equal(7, Assert.IsAssignableFrom<PeftNativeException>(error).ExitCode);
                Assert.True(before == Emulator.Live(),
                    $"after call {k} of {calls} answered {result}: {Emulator.Live()}, before {before}");
                refused++;
            }
        Assert.InRange(refused, 1.5 * calls, 2 * calls);
    }

    [Fact]
    public void Less_memory_than_a_step_needs_is_one_error_whatever_the_limit()
    {
        Emulator.Require();
        var before = Emulator.Live();
        try
        {
            for (var limit = 1L << 10; limit < 1L << 26; limit *= 2)
            {
                Emulator.SetMemoryLimit(limit);
                try
                {
                    Work();
                }
                catch (ResourceException)
                {
                }
                Assert.Equal(before, Emulator.Live());
            }
        }
        finally
        {
            Emulator.SetMemoryLimit(8L << 30);
        }
    }

    [Fact]
    public void The_names_are_registered_and_auto_never_means_the_emulator()
    {
        Emulator.Require();
        CudaBackends.Register();
        using var backend = BackendFactory.Create("cuda-emulated", DType.BFloat16);
        Assert.Equal("cuda-emulated", backend.Name);
        Assert.NotEqual("cuda-emulated", BackendFactory.Preferred);
    }

    /// <summary>A small training step of one layer: everything that takes memory or asks the driver.</summary>
    private static void Work()
    {
        using var backend = CudaBackend.Create(DType.Float32, emulated: true);
        using var arena = new Arena(backend, "test");
        var pair = new LowRankPair
        {
            A = Filled(backend, arena, Rank, Inputs), B = Filled(backend, arena, Outputs, Rank), Scale = 2,
            RowCount = Rows,
            S = arena.Allocate(DType.Float32, Rows, Rank), GradA = Filled(backend, arena, Rank, Inputs),
            GradB = Filled(backend, arena, Outputs, Rank),
        };
        var op = new LinearOp
        {
            X = Filled(backend, arena, Rows, Inputs), W = Filled(backend, arena, Outputs, Inputs), LowRank = [pair],
            LowRankCount = 1,
            Y = arena.Allocate(DType.Float32, Rows, Outputs),
        };
        backend.Forward(op);
        var labels = arena.Allocate(DType.Int32, 1, Rows);
        backend.Upload(MemoryMarshal.AsBytes<int>([0, 1, 2, 3, 4]), labels);
        var loss = arena.Allocate(DType.Float32, 1, Rows);
        backend.Run(new CrossEntropyOp { Logits = op.Y, Labels = labels, Loss = loss, Gradient = true,
            GradientScale = 1 });
        backend.Backward(op, new LinearGradients { DY = op.Y, DX = arena.Allocate(DType.Float32, Rows, Inputs) });
        Assert.True(backend.SumOfSquares(pair.GradA) > 0);
        _ = HostValues.Download(backend, loss);
    }

    private static Tensor Filled(CudaBackend backend, Arena arena, int rows, int columns) =>
        HostValues.Upload(backend, [.. Enumerable.Range(0, rows * columns).Select(i => (i % 7 - 3) / 8f)],
            arena.Allocate(DType.Float32, rows, columns));

    private static double Sum(CudaBackend backend)
    {
        using var arena = new Arena(backend, "test");
        var x = arena.Allocate(DType.Float32, 1, 4);
        backend.Fill(x, 0.5);
        return backend.SumOfSquares(x);
    }
}
