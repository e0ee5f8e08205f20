namespace PeftNative.Cuda.Driver;

/// <summary>
/// Page-locked memory through which small uploads go without waiting: pieces are handed out one after the other, and
/// only when all are used up does the next upload wait for the stream.
/// </summary>
internal sealed unsafe class Staging : IDisposable
{
    private const int Capacity = 1 << 20, Alignment = 64;

    private readonly CudaDevice device;
    private nint buffer;
    private int used;

    public Staging(CudaDevice device)
    {
        this.device = device;
        device.Check(device.Driver.AllocateHost(Capacity, out buffer), "cuMemHostAlloc",
            $"{Capacity:N0} bytes for uploads");
    }

    /// <summary>
    /// Copies host bytes to the device, in order with the stream's work; the source may be reused at once.
    /// </summary>
    public void Upload(ReadOnlySpan<byte> source, nint target)
    {
        if (source.IsEmpty) return;
        device.RefuseRecording("an upload"); // every run would find what the first one was given
        device.MakeCurrent();
        if (source.Length > Capacity)
        {
            fixed (byte* p = source) Copy(p, target, source.Length);
            device.Synchronize();
            return;
        }
        if (used + source.Length > Capacity)
        {
            device.Synchronize();
            used = 0;
        }
        var piece = (byte*)buffer + used;
        source.CopyTo(new Span<byte>(piece, source.Length));
        used = (used + source.Length + Alignment - 1) / Alignment * Alignment;
        Copy(piece, target, source.Length);
    }

    public void Dispose()
    {
        if (buffer != 0) _ = device.Driver.FreeHost(buffer);
        buffer = 0;
    }

    private void Copy(byte* source, nint target, int bytes) => device.Check(
        device.Driver.CopyToDevice(target, source, (nuint)bytes, device.Stream), "cuMemcpyHtoDAsync",
        $"{bytes:N0} bytes");
}
