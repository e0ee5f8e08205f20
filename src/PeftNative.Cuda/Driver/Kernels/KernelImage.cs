using System.Reflection;
using System.Text;

namespace PeftNative.Cuda.Driver.Kernels;

/// <summary>The code of a module of kernels, in a form the driver loads.</summary>
internal static class KernelImage
{
    private static readonly Assembly Home = typeof(KernelImage).Assembly;

    /// <summary>Machine code for several devices, or PTX with a zero at its end.</summary>
    /// <exception cref="CudaException">There is neither machine code in the assembly nor a compiler on this
    /// machine.</exception>
    public static byte[] Of(string module, CudaDevice device)
    {
        if (device.Driver.IsEmulated) return Encoding.UTF8.GetBytes(module + '\0');
        return Resource($"{module}.fatbin") ?? Nvrtc.Compile(module, Sources(), device.Capability);
    }

    /// <summary>Every source and header, by file name.</summary>
    private static Dictionary<string, string> Sources() => Home.GetManifestResourceNames()
        .Where(n => n.EndsWith(".cu", StringComparison.Ordinal) || n.EndsWith(".cuh", StringComparison.Ordinal))
        .ToDictionary(n => n, n => Encoding.UTF8.GetString(Resource(n)!));

    private static byte[]? Resource(string name)
    {
        using var stream = Home.GetManifestResourceStream(name);
        if (stream is null) return null;
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }
}
