using System.Runtime.InteropServices;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Backends.NativeCpu;

/// <summary>
/// The fast CPU backend: operation records run in the native library built from <c>native/cpu</c>, which picks AVX-512
/// with or without BF16, AVX2 or portable kernels at run time (<c>PEFTNATIVE_CPU=portable|avx2|avx512|avx512bf16</c>
/// overrules it). The records are passed as they are: the order of their members is the layout of the records in
/// <c>peftnative.h</c>. An instance owns a pool of threads and is used by one thread at a time; a call after it was
/// disposed is an <see cref="ObjectDisposedException"/>.
/// </summary>
public sealed partial class NativeCpuBackend : IBackend
{
    private readonly CpuContext context;

    private NativeCpuBackend(CpuContext context, DType computeType)
    {
        this.context = context;
        ComputeType = computeType;
        Description = Marshal.PtrToStringUTF8(GetDescription(context)) ?? "";
    }

    /// <summary>Opens the backend.</summary>
    /// <param name="threads">Threads, the caller's included; 0 takes one per processor.</param>
    /// <param name="instructionSet">portable, avx2, avx512 or avx512bf16; null for what PEFTNATIVE_CPU names, else the
    /// best there is.</param>
    /// <param name="type">The element type of activations and frozen weights: fp32 or bf16.</param>
    /// <exception cref="UsageException">The library is not there or does not fit, or the machine does not have the
    /// instruction set, or the type is neither fp32 nor bf16.</exception>
    public static NativeCpuBackend Create(int threads = 0, string? instructionSet = null, DType type = DType.Float32)
    {
        if (type is not (DType.Float32 or DType.BFloat16))
            throw new UsageException($"The backend 'cpu' computes in fp32 or bf16, not {type.Name()}.", "--dtype");
        if (!IsAvailable(out var reason))
            throw new UsageException($"The native CPU backend is not available: {reason}.", "--backend cpu",
                $"Build it with cmake, or set {CpuLibrary.FolderVariable} to its folder.");
        CpuLibrary.Check(Create(threads, instructionSet, out var context));
        return new NativeCpuBackend(new CpuContext(context), type);
    }

    /// <summary>Whether the native library is there and fits this program; if not, why.</summary>
    public static bool IsAvailable(out string reason)
    {
        reason = CpuLibrary.WhyUnavailable ?? "";
        return reason.Length == 0;
    }

    /// <inheritdoc/>
    public string Name => "cpu";

    /// <inheritdoc/>
    public string Description { get; }

    /// <inheritdoc/>
    public DType ComputeType { get; }

    /// <inheritdoc/>
    public DeviceMemory Allocate(long bytes, string purpose) => new CpuMemory(bytes, purpose);

    /// <inheritdoc/>
    public void Upload(ReadOnlySpan<byte> source, in Tensor target) => target.CopyFrom(source);

    /// <inheritdoc/>
    public void Download(in Tensor source, Span<byte> target) => source.CopyTo(target);

    /// <inheritdoc/>
    public double SumOfSquares(in Tensor x)
    {
        CpuLibrary.Check(SumOfSquares(context, x, out var sum));
        return sum;
    }

    /// <inheritdoc/>
    public void AddScaled(in Tensor x, double scale, in Tensor y) => CpuLibrary.Check(AddScaled(context, x, scale, y));

    /// <inheritdoc/>
    public void Fill(in Tensor x, double value) => CpuLibrary.Check(Fill(context, x, value));

    /// <inheritdoc/>
    public void Copy(in Tensor x, in Tensor y) => CpuLibrary.Check(Copy(context, x, y));

    /// <inheritdoc/>
    public void Dispose() => context.Dispose();

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_create", StringMarshalling = StringMarshalling.Utf8)]
    private static partial NativeStatus Create(int threads, string? instructionSet, out nint context);

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_cpu_description")]
    private static partial nint GetDescription(CpuContext context);

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_sum_of_squares")]
    private static partial NativeStatus SumOfSquares(CpuContext context, in Tensor x, out double sum);

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_add_scaled")]
    private static partial NativeStatus AddScaled(CpuContext context, in Tensor x, double scale, in Tensor y);

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_fill")]
    private static partial NativeStatus Fill(CpuContext context, in Tensor x, double value);

    [LibraryImport(CpuLibrary.Name, EntryPoint = "pn_copy")]
    private static partial NativeStatus Copy(CpuContext context, in Tensor x, in Tensor y);
}
