using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Backends.NativeCpu;

/// <summary>What a native call answers; the numbers are those of <c>pn_status</c>.</summary>
internal enum NativeStatus
{
    Ok = 0,
    InvalidArgument = 1,
    InvalidData = 2,
    OutOfMemory = 3,
    Unsupported = 4,
    Internal = 5,
}

/// <summary>
/// Finds and checks the native library: in the folder PEFTNATIVE_NATIVE_DIR names, beside the program, or in its
/// <c>runtimes/&lt;rid&gt;/native</c>; elsewhere as the system finds libraries.
/// </summary>
internal static partial class CpuLibrary
{
    /// <summary>The name in <c>LibraryImport</c>.</summary>
    public const string Name = "peftnative_cpu";

    /// <summary>The folder to look in first.</summary>
    public const string FolderVariable = "PEFTNATIVE_NATIVE_DIR";

    private const uint AbiVersion = 4;

    private static readonly Lazy<string?> Problem = new(Load);

    /// <summary>Why the library cannot be used, or null.</summary>
    public static string? WhyUnavailable => Problem.Value;

    /// <summary>
    /// The one place where a native answer becomes an exception; the native text names operation, operand and shapes.
    /// </summary>
    public static void Check(NativeStatus status)
    {
        if (status != NativeStatus.Ok) Throw(status);
    }

    private static void Throw(NativeStatus status)
    {
        var text = $"The native CPU backend refused: {Marshal.PtrToStringUTF8(LastError())}.";
        throw status switch
        {
            NativeStatus.InvalidData => new DataException(text),
            NativeStatus.OutOfMemory =>
                new ResourceException(text, null, "Use a smaller batch, shorter sequences or a smaller model."),
            NativeStatus.Internal => new InvalidOperationException(text),
            _ => new UsageException(text),
        };
    }

    private static string? Load()
    {
        NativeLibrary.SetDllImportResolver(typeof(CpuLibrary).Assembly, Resolve);
        try
        {
            var version = GetAbiVersion();
            if (version != AbiVersion)
                return $"the native library has interface version {version}, this program needs {AbiVersion}";
            int[] sizes = RecordSizes();
            return CheckLayout(sizes, sizes.Length) == NativeStatus.Ok
                ? null
                : $"the native library does not fit this program: {Marshal.PtrToStringUTF8(LastError())}";
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException or BadImageFormatException)
        {
            return $"the native library {FileName} could not be loaded ({e.Message.ReplaceLineEndings(" ").Trim()})";
        }
    }

    /// <summary>The sizes of the records that both sides share, in the order of peftnative.h.</summary>
    private static int[] RecordSizes() =>
    [
        Unsafe.SizeOf<Tensor>(), Unsafe.SizeOf<DropoutMask>(), Unsafe.SizeOf<LowRankPair>(),
        Unsafe.SizeOf<NativeLinear>(),
        Unsafe.SizeOf<LinearGradients>(), Unsafe.SizeOf<DequantizeOp>(), Unsafe.SizeOf<DoraScaleOp>(),
        Unsafe.SizeOf<DoraScaleGradients>(),
        Unsafe.SizeOf<EmbeddingOp>(), Unsafe.SizeOf<EmbeddingGradients>(), Unsafe.SizeOf<NormOp>(),
        Unsafe.SizeOf<NormGradients>(), Unsafe.SizeOf<RopeOp>(), Unsafe.SizeOf<AttentionOp>(),
        Unsafe.SizeOf<AttentionGradients>(), Unsafe.SizeOf<GateOp>(), Unsafe.SizeOf<GateGradients>(),
        Unsafe.SizeOf<DropoutOp>(), Unsafe.SizeOf<GatherOp>(), Unsafe.SizeOf<GatherGradients>(),
        Unsafe.SizeOf<CrossEntropyOp>(), Unsafe.SizeOf<RegressionLossOp>(), Unsafe.SizeOf<AdamWOp>(),
    ];

    private static string FileName =>
        OperatingSystem.IsWindows() ? $"{Name}.dll" : OperatingSystem.IsMacOS() ? $"lib{Name}.dylib" : $"lib{Name}.so";

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? search)
    {
        if (name != Name) return 0;
        foreach (var folder in Folders())
            if (NativeLibrary.TryLoad(Path.Combine(folder, FileName), out var handle))
                return handle;
        return 0;
    }

    private static IEnumerable<string> Folders()
    {
        if (Environment.GetEnvironmentVariable(FolderVariable) is { Length: > 0 } chosen) yield return chosen;
        yield return AppContext.BaseDirectory;
        yield return Path.Combine(AppContext.BaseDirectory, "runtimes", RuntimeInformation.RuntimeIdentifier, "native");
    }

    [LibraryImport(Name, EntryPoint = "pn_abi_version")]
    private static partial uint GetAbiVersion();

    [LibraryImport(Name, EntryPoint = "pn_check_layout")]
    private static partial NativeStatus CheckLayout(ReadOnlySpan<int> sizes, int count);

    [LibraryImport(Name, EntryPoint = "pn_last_error")]
    private static partial nint LastError();
}
