using System.Runtime.InteropServices;
using System.Text;

namespace PeftNative.Cuda.Driver.Kernels;

/// <summary>
/// NVIDIA's run-time compiler, looked for under the names of its versions 13, 12 and 11. Only needed where the assembly
/// was built without nvcc.
/// </summary>
internal static unsafe class Nvrtc
{
    private static readonly string[] Names = OperatingSystem.IsWindows()
        ? ["nvrtc64_130_0.dll", "nvrtc64_120_0.dll", "nvrtc64_112_0.dll"]
        : ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2", "libnvrtc.so"];

    /// <summary>Compiles <c>module.cu</c> to PTX for a compute capability (times ten); ends with a zero.</summary>
    /// <param name="module">Stem of the source.</param>
    /// <param name="sources">All sources and headers by file name.</param>
    /// <param name="capability">Compute capability times ten.</param>
    /// <exception cref="CudaException">There is no compiler, or it refused the source; then with its log.</exception>
    public static byte[] Compile(string module, IReadOnlyDictionary<string, string> sources, int capability)
    {
        var library = Load();
        var strings = new List<nint>();
        nint program = 0;
        try
        {
            nint Text(string text)
            {
                strings.Add(Marshal.StringToCoTaskMemUTF8(text));
                return strings[^1];
            }

            nint[] headers = [.. sources.Where(s => s.Key.EndsWith(".cuh", StringComparison.Ordinal))
                .Select(s => Text(s.Value))];
            nint[] names = [.. sources.Keys.Where(n => n.EndsWith(".cuh", StringComparison.Ordinal)).Select(Text)];
            var create = (delegate* unmanaged<nint*, nint, nint, int, nint*, nint*,
                int>)NativeLibrary.GetExport(library, "nvrtcCreateProgram");
            var compile = (delegate* unmanaged<nint, int, nint*, int>)NativeLibrary.GetExport(library,
                "nvrtcCompileProgram");
            nint[] options = [Text($"--gpu-architecture=compute_{capability}"), Text("--std=c++17"),
                Text("--fmad=true")];
            fixed (nint* h = headers, n = names, o = options)
            {
                Check(create(&program, Text(sources[$"{module}.cu"]), Text($"{module}.cu"), headers.Length, h, n),
                    module, "");
                var result = compile(program, options.Length, o);
                Check(result, module, result == 0
                    ? "" : Encoding.UTF8.GetString(Read(library, program, "nvrtcGetProgramLog")));
            }
            return Read(library, program, "nvrtcGetPTX");
        }
        finally
        {
            if (program != 0)
                _ = ((delegate* unmanaged<nint*, int>)NativeLibrary.GetExport(library,
                    "nvrtcDestroyProgram"))(&program);
            foreach (var text in strings) Marshal.FreeCoTaskMem(text);
        }
    }

    /// <summary>A result that NVRTC gives as a size and a text.</summary>
    private static byte[] Read(nint library, nint program, string function)
    {
        nuint size;
        Check(((delegate* unmanaged<nint, nuint*, int>)NativeLibrary.GetExport(library, function + "Size"))(program,
            &size), function, "");
        var text = new byte[size];
        fixed (byte* p = text)
            Check(((delegate* unmanaged<nint, byte*, int>)NativeLibrary.GetExport(library, function))(program, p),
                function, "");
        return text;
    }

    private static nint Load()
    {
        foreach (var name in Names)
            if (NativeLibrary.TryLoad(name, out var library)) return library;
        throw new CudaException("This build has no compiled kernels, and NVIDIA's run-time compiler is not here.",
            string.Join(", ", Names),
            "Install the CUDA toolkit (or its nvrtc package), or build PeftNative where nvcc is installed.");
    }

    private static void Check(int result, string where, string log)
    {
        if (result != 0)
            throw new CudaException(
                $"The run-time compiler refused with error {result}. {log.TrimEnd('\0', '\n')}".TrimEnd(), where);
    }
}
