using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using PeftNative.Cuda.Driver;

namespace PeftNative.Cuda.Libraries;

/// <summary>
/// Finds the driver and the emulator by the names their files have. Each is loaded once. Thread-safe.
/// </summary>
internal static class DriverLibraries
{
    private const string FolderVariable = "PEFTNATIVE_NATIVE_DIR";

    private static readonly ConcurrentDictionary<bool, Lazy<(ICudaDriver? Driver, string Problem)>> Loaded = new();

    /// <summary>The driver, or null and why there is none.</summary>
    public static ICudaDriver? Find(bool emulated, out string problem)
    {
        var (driver, why) = Loaded.GetOrAdd(emulated, static e => new(() => Load(e))).Value;
        problem = why;
        return driver;
    }

    private static (ICudaDriver?, string) Load(bool emulated)
    {
        string[] names = emulated ? [.. EmulatorFiles()] : OperatingSystem.IsWindows()
            ? ["nvcuda.dll"] : ["libcuda.so.1", "libcuda.so"];
        foreach (var name in names)
            if (NativeLibrary.TryLoad(name, out var library))
                return Bind(library, name, emulated);
        if (Array.Find(names, File.Exists) is { } broken)
            return (null, $"The file {broken} is there but cannot be loaded.");
        return (null, emulated
            ? "The emulator was not built: ./build.sh in the repository builds it (./build.sh demo builds the CPU "
            + "library alone)."
            : $"There is no NVIDIA driver: none of {string.Join(", ", names)} can be loaded.");
    }

    private static (ICudaDriver?, string) Bind(nint library, string name, bool emulated)
    {
        try
        {
            var driver = new LibraryDriver(library, name, emulated);
            var result = driver.Init();
            if (result != CudaResult.Success)
                return (null, $"The driver {name} cannot be started: {driver.NameOf(result)}.");
            if (driver.GetDeviceCount(out var count) != CudaResult.Success || count == 0)
                return (null, $"The driver {name} finds no device.");
            return (driver, "");
        }
        catch (EntryPointNotFoundException e)
        {
            return (null, $"The driver {name} is too old: {e.Message}");
        }
    }

    private static IEnumerable<string> EmulatorFiles()
    {
        var file = OperatingSystem.IsWindows() ? "pncuda_emu.dll" : OperatingSystem.IsMacOS()
            ? "libpncuda_emu.dylib" : "libpncuda_emu.so";
        if (Environment.GetEnvironmentVariable(FolderVariable) is { Length: > 0 } chosen)
            yield return Path.Combine(chosen, file);
        yield return Path.Combine(AppContext.BaseDirectory, file);
        yield return Path.Combine(AppContext.BaseDirectory, "runtimes", RuntimeInformation.RuntimeIdentifier,
            "native", file);
    }
}
