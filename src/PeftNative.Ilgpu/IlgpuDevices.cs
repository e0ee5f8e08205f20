using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Loader;
using ILGPU;
using ILGPU.Backends.OpenCL;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;

namespace PeftNative.Ilgpu;

/// <summary>Which devices the backend takes, and for what reason it takes the others not.</summary>
internal static class IlgpuDevices
{
    /// <summary>
    /// Set to "any", every OpenCL device counts that ILGPU can open: processors, and those that lack something.
    /// </summary>
    public const string Variable = "PEFTNATIVE_ILGPU";

    // ILGPU asks for libOpenCL.so, which on Linux only the packages for developers have.
    private const string LinuxLibrary = "libOpenCL.so.1";

    private static readonly CLCVersion LeastVersion = new(2, 0); // ILGPU's code has pointers of any address space

    static IlgpuDevices() =>
        AssemblyLoadContext.GetLoadContext(typeof(Context).Assembly)!.ResolvingUnmanagedDll += FindOpenCl;

    /// <summary>Whether the user asks for any OpenCL device.</summary>
    /// <exception cref="UsageException">The variable has a value that nobody knows.</exception>
    public static bool Any => Environment.GetEnvironmentVariable(Variable) switch
    {
        null or "" => false,
        "any" => true,
        var other => throw new UsageException($"There is no '{other}'.", Variable, "Use any, or leave it unset."),
    };

    /// <summary>Whether the variable is set, to whatever.</summary>
    public static bool IsAsked => Environment.GetEnvironmentVariable(Variable) is { Length: > 0 };

    /// <summary>The devices that are taken, CUDA before OpenCL.</summary>
    public static IReadOnlyList<Device> Taken(Context context) =>
    [
        .. context.Devices.OfType<CudaDevice>(),
        .. context.Devices.OfType<CLDevice>().Where(d => WhyNot(d) is not { } fault || (Any && fault.CanBeTried)),
    ];

    /// <summary>A context that knows every device, so that something can be said of each.</summary>
    public static Context NewContext() =>
        Context.Create(builder => builder.Cuda().OpenCL(_ => true).EnableAlgorithms());

    /// <summary>Why there is no device; null where there is one.</summary>
    public static string? WhyNone()
    {
        try
        {
            // OpenCL loads the compilers of all its drivers, 75 MiB and more than a second, also where there is nothing
            // to compile for.
            if (!Any && !MayHaveGpu())
                return $"There is no graphics device here. {Variable}=any looks for other OpenCL devices.";
            using var context = NewContext();
            if (Taken(context).Count > 0) return null;
            var faults = context.Devices.OfType<CLDevice>().Select(d => (d.Name, Fault: WhyNot(d)!)).ToList();
            if (faults.Count == 0) return "ILGPU finds no CUDA or OpenCL device here.";
            var reasons = string.Join("; ", faults.Select(f => $"{f.Name.Trim()} {f.Fault.What}"));
            var why = $"ILGPU finds no CUDA device, and {reasons}.";
            return faults.Any(f => f.Fault.CanBeTried) ? $"{why} {Variable}=any takes it all the same." : why;
        }
        catch (UsageException e)
        {
            return e.Message;
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            return $"ILGPU cannot look for devices here: {e.Message.ReplaceLineEndings(" ")}";
        }
    }

    /// <summary>What an OpenCL device lacks; null where it fits.</summary>
    internal static DeviceFault? WhyNot(CLDeviceType type, CLCVersion version, bool genericAddresses, bool doubles)
    {
        List<string> faults = [];
        if (type != CLDeviceType.CL_DEVICE_TYPE_GPU)
            faults.Add(type == CLDeviceType.CL_DEVICE_TYPE_CPU ? "is a processor, not a GPU" : "is not a GPU");
        if (version < LeastVersion) faults.Add($"knows OpenCL C {version.Major}.{version.Minor} where 2.0 is needed");
        if (!genericAddresses) faults.Add("has no generic address space, without which ILGPU does not open it");
        if (!doubles) faults.Add("has no double precision, in which norms are summed");
        return faults.Count == 0 ? null : new(string.Join(" and ", faults), CanBeTried: genericAddresses);
    }

    private static nint FindOpenCl(Assembly asking, string name) =>
        asking == typeof(Context).Assembly && name.Equals("OpenCL", StringComparison.OrdinalIgnoreCase)
            && OperatingSystem.IsLinux() && NativeLibrary.TryLoad(LinuxLibrary, out var library) ? library : 0;

    private static DeviceFault? WhyNot(CLDevice device) => WhyNot(device.DeviceType, device.CLStdVersion,
        device.Capabilities.GenericAddressSpace, device.Capabilities.Float64);

    // On Linux a GPU shows as a file of NVIDIA's driver, AMD's, the kernel's graphics drivers, WSL, or ARM's.
    private static bool MayHaveGpu() => !OperatingSystem.IsLinux() || File.Exists("/dev/kfd") || File.Exists("/dev/dxg")
        || Directory.EnumerateFileSystemEntries("/dev", "nvidia*").Any(f => char.IsAsciiDigit(f[^1]))
        || Directory.EnumerateFileSystemEntries("/dev", "mali*").Any()
        || (Directory.Exists("/dev/dri") && Directory.EnumerateFileSystemEntries("/dev/dri", "renderD*").Any());
}

/// <summary>What a device lacks.</summary>
/// <param name="What">As it follows the device's name in a sentence.</param>
/// <param name="CanBeTried">Whether ILGPU opens it all the same.</param>
internal sealed record DeviceFault(string What, bool CanBeTried);
