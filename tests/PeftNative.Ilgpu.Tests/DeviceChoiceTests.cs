using ILGPU.Backends.OpenCL;
using ILGPU.Runtime.OpenCL;
using Xunit;

namespace PeftNative.Ilgpu.Tests;

/// <summary>Which OpenCL devices are taken, and the reason that is given for the others.</summary>
public sealed class DeviceChoiceTests
{
    private const CLDeviceType Gpu = CLDeviceType.CL_DEVICE_TYPE_GPU, Processor = CLDeviceType.CL_DEVICE_TYPE_CPU;

    [Fact]
    public void A_GPU_that_has_everything_is_taken() =>
        Assert.Null(IlgpuDevices.WhyNot(Gpu, CLCVersion.CL30, true, true));

    [Theory]
    [InlineData(Processor, 3, true, true, true, "is a processor, not a GPU")]
    [InlineData(CLDeviceType.CL_DEVICE_TYPE_ACCELERATOR, 3, true, true, true, "is not a GPU")]
    [InlineData(Gpu, 1, true, true, true, "knows OpenCL C 1.2 where 2.0 is needed")]
    [InlineData(Gpu, 2, true, false, true, "has no double precision, in which norms are summed")]
    [InlineData(Gpu, 2, false, true, false, "has no generic address space, without which ILGPU does not open it")]
    [InlineData(Processor, 2, true, false, true,
        "is a processor, not a GPU and has no double precision, in which norms are summed")]
    public void The_reason_is_what_is_missing(CLDeviceType type, int version, bool generic, bool doubles,
        bool canBeTried, string what)
    {
        var fault = IlgpuDevices.WhyNot(type, new CLCVersion(version, version == 1 ? 2 : 0), generic, doubles);
        Assert.Equal(new DeviceFault(what, canBeTried), fault);
    }
}
