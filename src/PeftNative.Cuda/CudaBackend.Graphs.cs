using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PeftNative.Cuda.Driver;
using PeftNative.Cuda.Operations;
using PeftNative.Ops;

namespace PeftNative.Cuda;

public sealed partial class CudaBackend : IOperationGraphs
{
    /// <summary>A <see cref="StepValues"/>: the numbers that kernels of a graph read anew in every run.</summary>
    private CudaMemory? stepValues;

    /// <inheritdoc/>
    public IOperationGraph? Record(Action operations)
    {
        if (isSynchronous) return null;
        stepValues ??= new CudaMemory(device, Unsafe.SizeOf<StepValues>(), "values of a recorded step");
        return device.Record(operations) is { } graph ? new CudaGraph(device, graph, Upload) : null;
    }

    private void Upload(GraphValues values)
    {
        var now = new StepValues(values.StreamOffset, (float)values.GradientScale);
        staging.Upload(MemoryMarshal.AsBytes(new ReadOnlySpan<StepValues>(in now)), stepValues!.Pointer);
    }

    /// <summary>A mask as kernels take it.</summary>
    private KernelMask MaskOf(in DropoutMask mask) => new(mask, device.IsRecording ? stepValues!.Pointer : 0);

    /// <summary>Where the kernels of a recording find the scale of a loss's gradient; 0 outside of one.</summary>
    private nint GradientScaleAddress => device.IsRecording ? stepValues!.Pointer + sizeof(ulong) : 0;

    [StructLayout(LayoutKind.Sequential)]
    private readonly struct StepValues(ulong streamOffset, float gradientScale)
    {
        public readonly ulong StreamOffset = streamOffset;
        public readonly float GradientScale = gradientScale;
    }
}
