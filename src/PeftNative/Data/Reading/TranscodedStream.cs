using System.Text;
using TextEncoding = System.Text.Encoding;

namespace PeftNative.Data.Reading;

/// <summary>Text of another encoding as UTF-8. Not thread-safe.</summary>
internal sealed class TranscodedStream(Stream inner, TextEncoding encoding, string path)
    : ReadOnlyStream(TextEncoding.CreateTranscodingStream(inner, encoding, TextEncoding.UTF8))
{
    public override int Read(Span<byte> buffer)
    {
        try
        {
            return Inner.Read(buffer);
        }
        catch (DecoderFallbackException e)
        {
            throw new DataException($"The file is not in {encoding.WebName}: {e.Message}", path,
                "Name its encoding with --encoding, such as latin1 or windows-1252.", e);
        }
    }
}

/// <summary>A stream whose first bytes are known before they are read. Not thread-safe.</summary>
internal sealed class BufferedStart : ReadOnlyStream
{
    private int given;

    public BufferedStart(Stream inner) : base(inner)
    {
        var start = new byte[OtherKinds.Length];
        Start = start[..inner.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)];
    }

    public byte[] Start { get; }

    public override int Read(Span<byte> buffer)
    {
        if (given == Start.Length) return Inner.Read(buffer);
        var count = Math.Min(buffer.Length, Start.Length - given);
        Start.AsSpan(given, count).CopyTo(buffer);
        given += count;
        return count;
    }
}
