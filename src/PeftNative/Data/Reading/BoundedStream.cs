namespace PeftNative.Data.Reading;

/// <summary>
/// What comes out of a compressed file, refused where it is out of all proportion to the file. Not thread-safe.
/// </summary>
/// <param name="inner">What decompresses.</param>
/// <param name="name">The way of compressing, for messages.</param>
/// <param name="compressed">Bytes of the file.</param>
/// <param name="path">The file.</param>
internal sealed class BoundedStream(Stream inner, string name, long compressed, string path) : ReadOnlyStream(inner)
{
    private const int MostRatio = 1000;
    private const long AlwaysAllowed = 256 << 20;

    private readonly long most = Math.Max(AlwaysAllowed, compressed * MostRatio);
    private long read;

    public override int Read(Span<byte> buffer)
    {
        int count;
        try
        {
            count = Inner.Read(buffer);
        }
        // Decompressors have errors of their own kinds.
        catch (Exception e) when (e is not PeftNativeException and not OutOfMemoryException)
        {
            throw new DataException($"The {name} file is broken: {e.Message}", path,
                "It may have been cut off; get it again.", e);
        }
        read += count;
        return read <= most ? count : throw new DataException(
            $"The {name} file holds more than {MostRatio} times its size ({read >> 20} MB so far).", path,
            "Check where it is from; if it is right, decompress it first.");
    }
}
