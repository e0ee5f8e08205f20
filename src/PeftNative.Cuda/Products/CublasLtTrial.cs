using PeftNative.Cuda.Driver;
using PeftNative.Tensors;

namespace PeftNative.Cuda.Products;

/// <summary>
/// Measures algorithms on the device, with the operands of a product but a result of its own, which nobody reads.
/// </summary>
internal static class CublasLtTrial
{
    private const int Runs = 4;

    /// <summary>The algorithm whose fastest run was the shortest; the earlier of two that are equal.</summary>
    /// <param name="device">Where.</param>
    /// <param name="algorithms">The algorithms, at least one of which works.</param>
    /// <param name="product">The product.</param>
    /// <param name="start">Starts the product by an algorithm and returns the status.</param>
    public static LtAlgorithm Fastest(
        CudaDevice device, IReadOnlyList<LtAlgorithm> algorithms, in MatrixProduct product,
        Func<MatrixProduct, LtAlgorithm, int> start)
    {
        var result = product.Result;
        using var scratch = new CudaMemory(device, (long)result.Rows * result.Stride * result.Type.Size(),
            "trial of matrix products");
        var trial = product with { Result = result with { Pointer = scratch.Pointer } };
        // What is added to the result itself is added to the scratch here.
        if (product.Source.Pointer == result.Pointer) trial = trial with { Added = default };
        using var clock = new Clock(device);
        var (best, shortest) = (-1, float.PositiveInfinity);
        var status = 0;
        for (var i = 0; i < algorithms.Count; i++)
        {
            var algorithm = algorithms[i];
            status = start(trial, algorithm);
            for (var run = 0; run < Runs && status == 0; run++)
            {
                var time = clock.Time(() => status = start(trial, algorithm));
                if (status == 0 && time < shortest) (best, shortest) = (i, time);
            }
        }
        if (best < 0) CublasCall.Check(status, "cublasLtMatmul", product);
        return algorithms[best];
    }

    /// <summary>Two events around what is timed.</summary>
    private sealed class Clock : IDisposable
    {
        private readonly CudaDevice device;
        private readonly nint begin, end;

        public Clock(CudaDevice device)
        {
            this.device = device;
            device.Check(device.Driver.CreateEvent(true, out begin), "cuEventCreate");
            var result = device.Driver.CreateEvent(true, out end);
            if (result != CudaResult.Success) _ = device.Driver.DestroyEvent(begin);
            device.Check(result, "cuEventCreate");
        }

        /// <summary>Milliseconds that the work took on the device.</summary>
        public float Time(Action work)
        {
            device.Check(device.Driver.RecordEvent(begin, device.Stream), "cuEventRecord");
            work();
            device.Check(device.Driver.RecordEvent(end, device.Stream), "cuEventRecord");
            device.Check(device.Driver.SynchronizeEvent(end), "cuEventSynchronize");
            device.Check(device.Driver.GetElapsedTime(begin, end, out var milliseconds), "cuEventElapsedTime");
            return milliseconds;
        }

        public void Dispose()
        {
            _ = device.Driver.DestroyEvent(end);
            _ = device.Driver.DestroyEvent(begin);
        }
    }
}
