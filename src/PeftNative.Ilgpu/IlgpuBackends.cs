using ILGPU;
using ILGPU.Runtime.CPU;
using PeftNative.Backends;
using PeftNative.Tensors;

namespace PeftNative.Ilgpu;

/// <summary>
/// The backends <c>ilgpu</c> (a CUDA or OpenCL device) and <c>ilgpu-cpu</c> (ILGPU's emulation). Thread-safe.
/// </summary>
public static class IlgpuBackends
{
    private static readonly Lazy<string?> WhyNoDevice = new(IlgpuDevices.WhyNone);

    /// <summary>Makes both names known to <see cref="BackendFactory"/>.</summary>
    public static void Register()
    {
        // A device that is only tried, perhaps the processor by another way, is not for "auto".
        var order = IlgpuDevices.IsAsked ? BackendOrder.OnlyByName : BackendOrder.GpuFallback;
        BackendFactory.Register(new BackendProvider("ilgpu", order, [DType.Float32],
            () => WhyNoDevice.Value, options => CreateOnDevice(options.Device)));
        BackendFactory.Register(new BackendProvider("ilgpu-cpu", BackendOrder.OnlyByName, [DType.Float32], () => null,
            _ => CreateOnProcessor(LaunchShape.Emulated)));
    }

    /// <summary>
    /// Creates the backend on one of the real devices, CUDA before OpenCL. Of OpenCL's these are GPUs that have
    /// what the kernels need, or any that ILGPU can open where the environment has <c>PEFTNATIVE_ILGPU=any</c>.
    /// </summary>
    /// <exception cref="UsageException">There is no device of that number, or the variable has another
    /// value.</exception>
    public static IlgpuBackend CreateOnDevice(int number = 0)
    {
        var context = IlgpuDevices.NewContext();
        try
        {
            var devices = IlgpuDevices.Taken(context);
            if (number < 0 || number >= devices.Count)
                throw new UsageException($"ILGPU finds {devices.Count} devices here, so there is no number {number}.",
                    "--device", devices.Count == 0 ? "Use another backend."
                        : $"Devices: {string.Join(", ", devices.Select((d, i) => $"{i} {d.Name}"))}.");
            var accelerator = devices[number].CreateAccelerator(context);
            return new IlgpuBackend("ilgpu", context, accelerator, LaunchShape.Device);
        }
        catch
        {
            context.Dispose();
            throw;
        }
    }

    /// <summary>Creates the backend on ILGPU's emulation.</summary>
    public static IlgpuBackend CreateOnProcessor() => CreateOnProcessor(LaunchShape.Emulated);

    internal static IlgpuBackend CreateOnProcessor(LaunchShape shape)
    {
        const int ThreadsPerWarp = 2; // the least there is
        var warps = Math.Max(1, Math.Max(shape.Group, shape.Tile * shape.Tile) / ThreadsPerWarp);
        var context = Context.Create(builder => builder
            .CPU(new CPUDevice(ThreadsPerWarp, warps, numMultiprocessors: 1)).EnableAlgorithms());
        var accelerator = context.GetDevice<CPUDevice>(0).CreateCPUAccelerator(context, CPUAcceleratorMode.Parallel);
        return new IlgpuBackend("ilgpu-cpu", context, accelerator, shape);
    }
}
