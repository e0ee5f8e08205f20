using PeftNative.Tensors;
using PeftNative.Tests.Ops;

namespace PeftNative.Cuda.Tests;

/// <summary>
/// A backend whose kernels run under a schedule of its own: the emulator runs them when somebody waits.
/// </summary>
internal sealed class ScheduledBackend(CudaBackend inner, string schedule) : ForwardingBackend(inner)
{
    public override string Description => schedule;

    public override void Download(in Tensor source, Span<byte> target)
    {
        Emulator.SetSchedule(schedule);
        base.Download(source, target);
    }

    public override double SumOfSquares(in Tensor x)
    {
        Emulator.SetSchedule(schedule);
        return base.SumOfSquares(x);
    }
}
