using System.Runtime.InteropServices;
using PeftNative.Cuda.Driver;
using PeftNative.Ops;
using PeftNative.Tensors;
using Xunit;

namespace PeftNative.Cuda.Tests;

/// <summary>Operations as a CUDA graph.</summary>
public sealed class GraphTests
{
    private const int Count = 37;

    [Fact]
    public void A_graph_reads_memory_anew_and_has_other_dropout_and_scales_with_every_run()
    {
        using var backend = Emulator.Open();
        using var arena = new Arena(backend, "test");
        var (x, y, loss) = (arena.Allocate(DType.Float32, 3, Count), arena.Allocate(DType.Float32, 3,
            Count), arena.Allocate(DType.Float32, 1, 3));
        void Work(ulong stream, double scale)
        {
            backend.Forward(new DropoutOp { X = x, Mask = new DropoutMask(0.4f, 5, stream), Y = y });
            backend.Run(new RegressionLossOp { Logits = y, Targets = x, Loss = loss, Gradient = true,
                GradientScale = scale });
        }
        Upload(backend, x, 1);
        Work(7, 1);
        using var graph = backend.Record(() => Work(7, 1))!;
        for (var run = 0; run < 4; run++)
        {
            Upload(backend, x, run);
            graph.Run(new GraphValues((ulong)run << 20, run));
            var replayed = HostValues.Download(backend, y);
            Work(7 + ((ulong)run << 20), run);
            Assert.Equal(HostValues.Download(backend, y), replayed);
        }
    }

    [Fact]
    public void A_graph_is_one_call_of_the_driver_beside_its_upload_and_leaves_nothing_behind()
    {
        var driver = Emulator.Require();
        var before = Emulator.Live();
        using (var backend = CudaBackend.Create(driver, DType.Float32, 0))
        using (var arena = new Arena(backend, "test"))
        {
            var x = arena.Allocate(DType.Float32, 3, Count);
            void Fills()
            {
                for (var i = 0; i < 20; i++) backend.Fill(x, i);
            }
            Fills();
            using var graph = backend.Record(Fills)!;
            backend.Fill(x, -1);
            Assert.All(HostValues.Download(backend, x), v => Assert.Equal(-1, v)); // recording has run nothing
            var calls = Emulator.Calls;
            graph.Run(default);
            Assert.Equal(2, Emulator.Calls - calls);
            Assert.All(HostValues.Download(backend, x), v => Assert.Equal(19, v));
        }
        Assert.Equal(before, Emulator.Live());
    }

    public static TheoryData<string> Unrecordable => ["memory", "upload", "read back", "new kernel", "workspace"];

    [Theory]
    [MemberData(nameof(Unrecordable))]
    public void What_no_recording_can_hold_is_told_without_harm(string what)
    {
        using var backend = Emulator.Open();
        using var arena = new Arena(backend, "test");
        var x = arena.Allocate(DType.Float32, 1, Count);
        backend.Fill(x, 1);
        Assert.Null(backend.Record(() =>
        {
            backend.Fill(x, 2);
            if (what == "memory") backend.Allocate(100, "test").Dispose();
            else if (what == "upload") Upload(backend, x, 3);
            else if (what == "read back") HostValues.Download(backend, x);
            else if (what == "new kernel")
                backend.Forward(new DropoutOp { X = x, Mask = new DropoutMask(0.5f, 1, 2), Y = x });
            else backend.SumOfSquares(x);
        }));
        Assert.All(HostValues.Download(backend, x), v => Assert.Equal(1, v));
        Assert.Equal(Count, backend.SumOfSquares(x));
    }

    [Fact]
    public void An_error_of_the_driver_ends_the_recording()
    {
        using var backend = Emulator.Open();
        using var arena = new Arena(backend, "test");
        var x = arena.Allocate(DType.Float32, 1, Count);
        backend.Fill(x, 1);
        using (var graph = backend.Record(() => backend.Fill(x, 2))) Assert.NotNull(graph);
        foreach (var call in (string[])["cuStreamBeginCapture_v2", "cuLaunchKernel", "cuGraphInstantiateWithFlags"])
        {
            Emulator.Fail(1, CudaResult.InvalidValue, call);
            var live = Emulator.Live();
            Assert.Contains("CUDA_ERROR",
                Assert.Throws<CudaException>(() => backend.Record(() => backend.Fill(x, 2))).Message,
                StringComparison.Ordinal);
            Emulator.Fail(0, CudaResult.Success);
            Assert.Equal(live, Emulator.Live());
            Assert.All(HostValues.Download(backend, x), v => Assert.Equal(1, v));
        }
    }

    [Fact]
    public void A_graph_is_void_when_memory_of_its_time_goes_but_not_when_later_memory_does()
    {
        using var backend = Emulator.Open();
        using var old = new Arena(backend, "test");
        var x = old.Allocate(DType.Float32, 1, Count);
        backend.Fill(x, 1);
        using var graph = backend.Record(() => backend.Fill(x, 2))!;
        backend.Allocate(100, "later").Dispose();
        Assert.True(graph.IsValid);
        graph.Run(default);
        Assert.All(HostValues.Download(backend, x), v => Assert.Equal(2, v));
        old.Dispose();
        Assert.False(graph.IsValid);
        Assert.Throws<InvalidOperationException>(() => graph.Run(default));
    }

    private static void Upload(CudaBackend backend, in Tensor x, int number)
    {
        float[] values = [.. Enumerable.Range(0, (int)x.Count).Select(i => (i % 5 - 2) * 0.1f + number)];
        backend.Upload(MemoryMarshal.AsBytes<float>(values), x);
    }
}
