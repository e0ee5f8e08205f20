using System.Runtime.InteropServices;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Backends.Reference;

/// <summary>
/// The oracle: every operation as plain loops, one file per operation, in double precision whatever the compute type; a
/// result is rounded once, when it is written. Deliberately naive: no blocking, no threads, no shortcuts. Weights may
/// be of any floating type.
/// </summary>
public sealed partial class ReferenceBackend : IBackend
{
    private ReferenceBackend(DType computeType) => ComputeType = computeType;

    /// <summary>Creates the backend for activations of any floating type; fp64 is the oracle of every other
    /// backend.</summary>
    /// <exception cref="UsageException">The type is not a floating type.</exception>
    public static ReferenceBackend Create(DType computeType) => computeType is not (DType.Int32 or DType.Int8)
        ? new ReferenceBackend(computeType)
        : throw new UsageException("The reference backend cannot compute in int32.", "--dtype", "Use fp32 or fp64.");

    /// <inheritdoc/>
    public string Name => "reference";

    /// <inheritdoc/>
    public string Description => $"plain C# loops, {ComputeType.Name()} storage, fp64 arithmetic, 1 thread";

    /// <inheritdoc/>
    public DType ComputeType { get; }

    /// <inheritdoc/>
    public DeviceMemory Allocate(long bytes, string purpose) => new HostMemory(bytes, purpose);

    /// <inheritdoc/>
    public void Upload(ReadOnlySpan<byte> source, in Tensor target) => target.CopyFrom(source);

    /// <inheritdoc/>
    public void Download(in Tensor source, Span<byte> target) => source.CopyTo(target);

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private sealed unsafe class HostMemory(long bytes, string purpose) : DeviceMemory(Take(bytes, purpose), bytes)
    {
        private const nuint Alignment = 64;

        public override void Dispose()
        {
            NativeMemory.AlignedFree((void*)Pointer);
            Pointer = 0;
        }

        private static nint Take(long bytes, string purpose)
        {
            try
            {
                return (nint)NativeMemory.AlignedAlloc(checked((nuint)bytes), Alignment);
            }
            catch (Exception e) when (e is OutOfMemoryException or OverflowException)
            {
                throw new ResourceException($"The host cannot give {bytes:N0} bytes.", purpose,
                    "Use a smaller batch, shorter sequences or a smaller model.", e);
            }
        }
    }
}
