using PeftNative.Cuda.Driver;
using PeftNative.Cuda.Driver.Kernels;
using PeftNative.Cuda.Libraries;
using PeftNative.Cuda.Products;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Cuda;

/// <summary>
/// The CUDA backend: operation records become launches of the kernels in <c>kernels/</c>, one file for each operation
/// on both sides, all on one stream and therefore in order. Activations, frozen matrices and logits are stored in fp32,
/// bf16 or fp16; sums are always fp32 and in a fixed order, without atomics, so results repeat bit for bit. The same
/// class drives a real device and the emulated driver. Used by one thread at a time.
/// </summary>
public sealed partial class CudaBackend : IBackend
{
    /// <summary>
    /// Names the environment variable that, set to 1, makes every launch wait, so that an error names its kernel.
    /// </summary>
    public const string SynchronousVariable = CudaDevice.SynchronousVariable;

    private readonly CudaDevice device;
    private readonly KernelLibrary kernels;
    private readonly Staging staging;
    private readonly Workspace workspace;
    private readonly MatrixProducts products;
    private readonly HostIntegers integers = new();
    private readonly bool isSynchronous = Environment.GetEnvironmentVariable(SynchronousVariable) == "1";

    private CudaBackend(CudaDevice device, DType type)
    {
        this.device = device;
        ComputeType = type;
        ScoreBytes = Math.Clamp(device.TotalMemory / 64, 32L << 20, 1L << 30);
        kernels = new(device);
        staging = new(device);
        workspace = new(device);
        bucketTables = new(device, staging);
        products = new(device);
        _ = device.Driver.GetVersion(out var version);
        Description = $"{device.Name}, compute capability {device.Capability / 10}.{device.Capability % 10}, " +
            $"{device.Multiprocessors} multiprocessors, driver interface {version / 1000}.{version % 1000 / 10}, " +
            products.Description;
    }

    /// <summary>The element types this backend computes in.</summary>
    public static IReadOnlyList<DType> Types { get; } = [DType.Float32, DType.BFloat16, DType.Float16];

    /// <summary>Opens a device.</summary>
    /// <param name="type">The type of activations and frozen weights: fp32, bf16 or fp16.</param>
    /// <param name="ordinal">Number of the device, from 0.</param>
    /// <param name="emulated">Whether to use the emulated driver.</param>
    /// <exception cref="UsageException">There is no driver, no such device, or the type is not one of
    /// <see cref="Types"/>.</exception>
    public static CudaBackend Create(DType type, int ordinal = 0, bool emulated = false)
    {
        var driver = DriverLibraries.Find(emulated, out var problem)
            ?? throw new UsageException(problem, "--backend", "Use --backend cpu.");
        return Create(driver, type, ordinal);
    }

    /// <summary>Opens a device of a driver.</summary>
    internal static CudaBackend Create(ICudaDriver driver, DType type, int ordinal)
    {
        if (!Types.Contains(type))
            throw new UsageException($"The CUDA backend does not compute in {type.Name()}.", "--dtype",
                "Use fp32, bf16 or fp16.");
        var device = new CudaDevice(driver, ordinal);
        try
        {
            return new CudaBackend(device, type);
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public string Name => device.Driver.IsEmulated ? "cuda-emulated" : "cuda";

    /// <inheritdoc/>
    public string Description { get; }

    /// <inheritdoc/>
    public DType ComputeType { get; }

    /// <inheritdoc/>
    /// <remarks>
    /// A part of the device's memory that leaves thousands of rows to a chunk: products of few rows leave a device
    /// idle.
    /// </remarks>
    public long ScoreBytes { get; }

    /// <inheritdoc/>
    public DeviceMemory Allocate(long bytes, string purpose) =>
        new CudaMemory(device, bytes, purpose) { Released = integers.Forget };

    /// <inheritdoc/>
    /// <remarks>
    /// Integers are also kept on the host, so that launches can be planned from them without asking the device.
    /// </remarks>
    public void Upload(ReadOnlySpan<byte> source, in Tensor target)
    {
        target.CheckTransfer(source.Length);
        if (target.Type == DType.Int32) integers.Remember(target, source);
        staging.Upload(source, target.Pointer);
    }

    /// <inheritdoc/>
    public unsafe void Download(in Tensor source, Span<byte> target)
    {
        source.CheckTransfer(target.Length);
        if (target.IsEmpty) return;
        device.RefuseRecording("reading back");
        device.MakeCurrent();
        fixed (byte* p = target)
        {
            device.Check(device.Driver.CopyToHost(p, source.Pointer, (nuint)target.Length, device.Stream),
                "cuMemcpyDtoHAsync", source.ToString());
            device.Synchronize();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        products.Dispose();
        bucketTables.Dispose();
        stepValues?.Dispose();
        workspace.Dispose();
        staging.Dispose();
        kernels.Dispose();
        device.Dispose();
    }

    /// <summary>Starts a kernel <c>function_type</c> of a module; nothing happens when the grid is empty.</summary>
    private void Launch(Kernel kernel, in LaunchShape shape, in KernelArguments arguments)
    {
        if (shape.Grid.X == 0 || shape.Grid.Y == 0 || shape.Grid.Z == 0) return;
        device.Launch(kernel, shape, arguments);
        if (isSynchronous) device.Synchronize();
    }

    /// <summary>How many pieces of a size cover a length.</summary>
    private static int Cover(long length, int size) => checked((int)((length + size - 1) / size));

    /// <summary>The elements of an int32 tensor on the host: as uploaded, or else read back.</summary>
    private ReadOnlySpan<int> OnHost(in Tensor tensor)
    {
        if (integers.TryGet(tensor, out var known)) return known;
        var values = new int[tensor.Count];
        Download(tensor, System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan()));
        return values;
    }
}
