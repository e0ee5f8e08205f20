using System.Runtime.InteropServices;
using PeftNative.Cuda.Driver;
using PeftNative.Cuda.Libraries;
using PeftNative.Tensors;
using Xunit;

// The emulator's switches are those of the whole process.
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]

namespace PeftNative.Cuda.Tests;

/// <summary>
/// What tests ask of the emulated driver beyond the driver's own entry points: native/emu/api/control.h.
/// </summary>
internal static unsafe class Emulator
{
    public static readonly string[] Schedules = ["forward", "reverse", "random", "skewed"];

    private static readonly string[] Kinds =
        ["memory", "bytes", "host", "modules", "functions", "streams", "events", "graphs", "executables", "products"];

    /// <summary>Where the native libraries of the build are.</summary>
    public static string Folder =>
        Environment.GetEnvironmentVariable("PEFTNATIVE_NATIVE_DIR") is { Length: > 0 } chosen
            ? chosen
            : Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "..", "..", "..", "native"));

    /// <summary>Opens the backend on the emulator, or skips the test by name.</summary>
    public static CudaBackend Open(DType type = DType.Float32)
    {
        Require();
        return CudaBackend.Create(type, emulated: true);
    }

    /// <summary>Skips the test where the emulator was not built.</summary>
    public static ICudaDriver Require()
    {
        var driver = DriverLibraries.Find(true, out var problem);
        if (driver is null) Assert.Skip($"not exercised: the emulated CUDA driver ({problem})");
        return driver;
    }

    public static void SetSchedule(string name, ulong seed = 1)
    {
        fixed (byte* text = System.Text.Encoding.UTF8.GetBytes(name + '\0'))
            Assert.NotEqual(0, ((delegate* unmanaged<byte*, ulong, int>)Export("pncuda_emu_set_schedule"))(text, seed));
    }

    /// <summary>Makes the k-th call from now on fail, of an entry point or of all; 0 takes it back.</summary>
    public static void Fail(long k, CudaResult result, string? entryPoint = null)
    {
        fixed (byte* text = entryPoint is null ? null : System.Text.Encoding.UTF8.GetBytes(entryPoint + '\0'))
            ((delegate* unmanaged<ulong, byte*, CudaResult, void>)Export("pncuda_emu_fail"))((ulong)k, text, result);
    }

    public static void SetMemoryLimit(long bytes) =>
        ((delegate* unmanaged<nuint, void>)Export("pncuda_emu_set_memory_limit"))((nuint)bytes);

    public static long Calls => (long)((delegate* unmanaged<ulong>)Export("pncuda_emu_calls"))();

    /// <summary>What is allocated now, as a text that two moments can be compared by.</summary>
    public static string Live()
    {
        var live = (delegate* unmanaged<byte*, ulong>)Export("pncuda_emu_live");
        var counts = new List<string>();
        foreach (var kind in Kinds)
            fixed (byte* text = System.Text.Encoding.UTF8.GetBytes(kind + '\0'))
                counts.Add($"{kind} {live(text)}");
        return string.Join(", ", counts);
    }

    /// <summary>What the emulator has to say about the last thing that went wrong.</summary>
    public static string Report()
    {
        var text = stackalloc byte[4096];
        _ = ((delegate* unmanaged<byte*, nuint, nuint>)Export("pncuda_emu_report"))(text, 4096);
        return Marshal.PtrToStringUTF8((nint)text) ?? "";
    }

    private static nint Export(string name)
    {
        var address = ((LibraryDriver)Require()).FindExport(name);
        Assert.NotEqual(0, address);
        return address;
    }
}
