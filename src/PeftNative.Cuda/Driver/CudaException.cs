namespace PeftNative.Cuda.Driver;

/// <summary>
/// The CUDA driver or a library refused a call, or the device stopped: the call, the kernel and the shapes of its
/// operands where they are known. Exit code 7. After a failure of the device itself the backend cannot be used any
/// more; files on disk are not affected.
/// </summary>
public sealed class CudaException(string what, string? where = null, string? remedy = null, Exception? inner = null)
    : PeftNativeException(what, where, remedy, inner)
{
    /// <inheritdoc/>
    public override int ExitCode => 7;
}
