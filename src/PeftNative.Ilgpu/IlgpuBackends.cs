using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;
using PeftNative.Backends;
using PeftNative.Tensors;

namespace PeftNative.Ilgpu;

/// <summary>
/// The backends <c>ilgpu</c> (a CUDA or OpenCL device) and <c>ilgpu-cpu</c> (ILGPU's emulation). Thread-safe.
/// </summary>
public static class IlgpuBackends
{
    private static readonly Lazy<(string? WhyNot, int Count)> Found = new(Search);

    /// <summary>Makes both names known to <see cref="BackendFactory"/>.</summary>
    public static void Register()
    {
        BackendFactory.Register(new BackendProvider("ilgpu", BackendOrder.GpuFallback, [DType.Float32], () => Found.Value.WhyNot,
            options => CreateOnDevice(options.Device)));
        BackendFactory.Register(new BackendProvider("ilgpu-cpu", BackendOrder.OnlyByName, [DType.Float32], () => null,
            _ => CreateOnProcessor(LaunchShape.Emulated)));
    }

    /// <summary>Creates the backend on one of the real devices, CUDA before OpenCL.</summary>
    /// <exception cref="UsageException">There is no device of that number.</exception>
    public static IlgpuBackend CreateOnDevice(int number = 0)
    {
        var context = NewContext(builder => builder.Cuda().OpenCL());
        try
        {
            var devices = Devices(context);
            if (number >= devices.Count)
                throw new UsageException($"ILGPU finds {devices.Count} devices here, so there is no number {number}.", "--device",
                    devices.Count == 0 ? "Use another backend." : $"Devices: {string.Join(", ", devices.Select((d, i) => $"{i} {d.Name}"))}.");
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
        var context = NewContext(builder => builder.CPU(new CPUDevice(ThreadsPerWarp, warps, numMultiprocessors: 1)));
        var accelerator = context.GetDevice<CPUDevice>(0).CreateCPUAccelerator(context, CPUAcceleratorMode.Parallel);
        return new IlgpuBackend("ilgpu-cpu", context, accelerator, shape);
    }

    private static (string? WhyNot, int Count) Search()
    {
        try
        {
            // OpenCL loads the compilers of all its drivers, 75 MiB and more than a second, also where there is nothing to compile for.
            if (!MayHaveDevice()) return ("There is no graphics device here.", 0);
            using var context = NewContext(builder => builder.Cuda().OpenCL());
            var count = Devices(context).Count;
            return (count > 0 ? null : "ILGPU finds no CUDA or OpenCL device with double precision here.", count);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            return ($"ILGPU cannot look for devices here: {e.Message.ReplaceLineEndings(" ")}", 0);
        }
    }

    // On Linux a device shows as a file of NVIDIA's driver, AMD's, the kernel's graphics drivers, WSL, or ARM's.
    private static bool MayHaveDevice() => !OperatingSystem.IsLinux()
        || File.Exists("/dev/kfd") || File.Exists("/dev/dxg") || Directory.EnumerateFileSystemEntries("/dev", "nvidia*").Any(f => char.IsAsciiDigit(f[^1]))
        || Directory.EnumerateFileSystemEntries("/dev", "mali*").Any()
        || (Directory.Exists("/dev/dri") && Directory.EnumerateFileSystemEntries("/dev/dri", "renderD*").Any());

    private static Context NewContext(Func<Context.Builder, Context.Builder> add) =>
        Context.Create(builder => add(builder).EnableAlgorithms());

    // Sums of squares are made in double precision.
    private static List<Device> Devices(Context context)
    {
        List<Device> found = [];
        foreach (var device in context.GetCudaDevices()) found.Add(device);
        foreach (var device in context.GetCLDevices())
            if (device.DeviceType == CLDeviceType.CL_DEVICE_TYPE_GPU && device.Capabilities.Float64)
                found.Add(device);
        return found;
    }
}
