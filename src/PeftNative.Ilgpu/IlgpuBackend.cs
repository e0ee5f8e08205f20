using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using PeftNative.Ilgpu.Kernels;
using PeftNative.Ilgpu.Kernels.Common;
using PeftNative.Ilgpu.Memory;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Ilgpu;

/// <summary>
/// Operation records as plain C# kernels that ILGPU compiles for the device while the program runs: CUDA, OpenCL, or
/// ILGPU's own emulation on the processor. Everything is fp32. Sums have a fixed order and there are no atomics, so the
/// same device gives the same bits in every run. Used by one thread at a time. <see cref="IlgpuBackends"/> creates it.
/// </summary>
public sealed partial class IlgpuBackend : IBackend
{
    private readonly Context context;
    private readonly Accelerator accelerator;
    private readonly LaunchShape shape;
    private readonly Dictionary<Delegate, Delegate> kernels = [];
    private readonly DeviceAddresses addresses = new();
    private readonly Arena scratch;
    private readonly MemoryBuffer1D<byte, Stride1D.Dense> empty;
    private readonly Matrix absent;
    private readonly ArrayView<int> absentIntegers;
    private Action<KernelConfig, ProductArguments, int>? tiled;

    internal IlgpuBackend(string name, Context context, Accelerator accelerator, LaunchShape shape)
    {
        (Name, this.context, this.accelerator, this.shape) = (name, context, accelerator, shape);
        scratch = new Arena(this, "scratch of ILGPU's kernels");
        empty = accelerator.Allocate1D<byte>(sizeof(float)); // kernels must be given a buffer even for what is absent
        absent = new Matrix(empty.View.Cast<byte, float>().SubView(0, 0), 0, 0, 0, 0);
        absentIntegers = empty.View.Cast<byte, int>().SubView(0, 0);
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public string Description => accelerator is CPUAccelerator
        ? "ILGPU's emulation on the processor: for tests and debugging, slow"
        : $"{accelerator.Name} through ILGPU ({accelerator.AcceleratorType}), {accelerator.MemorySize >> 20:N0} MiB";

    /// <inheritdoc/>
    public DType ComputeType => DType.Float32;

    /// <inheritdoc/>
    public DeviceMemory Allocate(long bytes, string purpose)
    {
        const long Unit = 64;
        try
        {
            var buffer = accelerator.Allocate1D<byte>(checked((Math.Max(bytes, 1) + Unit - 1) / Unit * Unit));
            return addresses.Add(buffer, bytes);
        }
        catch (Exception e) when (e is AcceleratorException or OutOfMemoryException or OverflowException)
        {
            throw new ResourceException($"The device {accelerator.Name} cannot give {bytes:N0} bytes.", purpose,
                "Use a smaller batch, shorter sequences or a smaller model.", e);
        }
    }

    /// <inheritdoc/>
    public void Upload(ReadOnlySpan<byte> source, in Tensor target)
    {
        target.CheckTransfer(source.Length);
        if (!source.IsEmpty)
            addresses.Find(target).Part(target.Pointer, source.Length).CopyFromCPU(accelerator.DefaultStream, source);
        accelerator.Synchronize();
    }

    /// <inheritdoc/>
    public void Download(in Tensor source, Span<byte> target)
    {
        source.CheckTransfer(target.Length);
        if (!target.IsEmpty)
            addresses.Find(source).Part(source.Pointer, target.Length).CopyToCPU(accelerator.DefaultStream, target);
        accelerator.Synchronize();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        accelerator.Synchronize();
        scratch.Dispose();
        foreach (var table in bucketTables.Values) table.Dispose();
        sums?.Dispose();
        empty.Dispose();
        accelerator.Dispose();
        context.Dispose();
    }

    /// <summary>Runs a kernel for each number below a count; ILGPU chooses the groups.</summary>
    private void Each<T>(Action<Index1D, T> kernel, long count, T arguments)
        where T : struct
    {
        if (count == 0) return;
        if (!kernels.TryGetValue(kernel, out var compiled))
            kernels.Add(kernel, compiled = Load(() => accelerator.LoadAutoGroupedStreamKernel(kernel)));
        ((Action<Index1D, T>)compiled)(checked((int)count), arguments);
    }

    /// <summary>Runs a kernel in a number of groups of threads.</summary>
    private void Groups<T>(Action<T> kernel, long groups, T arguments)
        where T : struct
    {
        if (groups == 0) return;
        if (!kernels.TryGetValue(kernel, out var compiled))
            kernels.Add(kernel, compiled = Load(() => accelerator.LoadStreamKernel(kernel)));
        ((Action<KernelConfig, T>)compiled)((checked((int)groups), shape.Group), arguments);
    }

    /// <summary>Runs the product in tiles, or element by element where tiles do not pay.</summary>
    private void Multiply(ProductArguments product)
    {
        if (shape.Tile == 1)
        {
            Each(ProductKernels.PerElement, (long)product.C.Rows * product.C.Columns, product);
            return;
        }
        long Blocks(int size) => (size + shape.Tile - 1) / shape.Tile;
        var blocks = checked((int)(Blocks(product.C.Rows) * Blocks(product.C.Columns)));
        if (blocks == 0) return;
        tiled ??= Load(() => accelerator.LoadStreamKernel<ProductArguments, int>(ProductKernels.Tiled));
        tiled((blocks, shape.Tile * shape.Tile), product, shape.Tile);
    }

    // Devices that are only tried may lack what a kernel needs, and drivers refuse code for many reasons.
    private TKernel Load<TKernel>(Func<TKernel> load)
    {
        try
        {
            return load();
        }
        catch (Exception e) when (e is AcceleratorException or InternalCompilerException or NotSupportedException)
        {
            throw new UsageException(
                $"The device {accelerator.Name} cannot run a kernel: {e.Message.ReplaceLineEndings(" ")}",
                "--device", "Use another device or backend.", e);
        }
    }

    /// <summary>C (= or +=) A B, without all that may be added to it.</summary>
    private ProductArguments Product(Matrix a, Matrix b, Matrix c, bool accumulate) => new(a, b, c, accumulate, absent);

    private Matrix View(in Tensor tensor)
    {
        if (!tensor.IsPresent) return absent;
        if (tensor.Type != DType.Float32)
            throw new ArgumentException($"the ILGPU backend computes in fp32, not with {tensor}");
        var block = addresses.Find(tensor);
        return new Matrix(block.Floats.SubView(block.IndexOf(tensor.Pointer)), tensor.Rows, tensor.Columns,
            tensor.Stride, 1);
    }

    private ArrayView<int> Integers(in Tensor tensor)
    {
        if (!tensor.IsPresent) return absentIntegers;
        if (tensor.Type != DType.Int32 || !tensor.IsContiguous)
            throw new ArgumentException($"needed are contiguous integers, not {tensor}");
        return Words(tensor);
    }

    // The words that bytes lie in, and the number of the first byte in them.
    private (ArrayView<int> Words, int First) Bytes(in Tensor tensor)
    {
        var block = addresses.Find(tensor);
        return (block.Integers.SubView(block.IndexOf(tensor.Pointer)), (int)((tensor.Pointer - block.Pointer) % 4));
    }

    private ArrayView<int> Words(in Tensor tensor)
    {
        if (tensor.Type.Size() != sizeof(int))
            throw new ArgumentException($"the ILGPU backend has no {tensor.Type.Name()}");
        var block = addresses.Find(tensor);
        return block.Integers.SubView(block.IndexOf(tensor.Pointer));
    }
}

/// <summary>How many threads kernels are launched with.</summary>
/// <param name="Group">Threads that share a row, at most <see cref="GroupReduce.MostThreads"/>.</param>
/// <param name="Tile">Width of the tiles of a matrix product, at most <see cref="ProductKernels.LargestTile"/>; 1 for a
/// product without shared memory.</param>
internal sealed record LaunchShape(int Group, int Tile)
{
    /// <summary>For a GPU.</summary>
    public static readonly LaunchShape Device = new(128, 16);

    /// <summary>
    /// For the emulation, where every barrier wakes operating system threads: one thread per group needs none.
    /// </summary>
    public static readonly LaunchShape Emulated = new(1, 1);
}
