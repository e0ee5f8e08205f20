using System.Text.Unicode;

namespace PeftNative.Data.Reading;

/// <summary>Files that are read as a whole: json and txt.</summary>
internal static class WholeFile
{
    private const long MaxBytes = 1L << 30;

    /// <summary>The bytes of a UTF-8 file without its byte order mark.</summary>
    public static ReadOnlyMemory<byte> Read(Stream stream, string path, string remedyIfTooLarge)
    {
        ReadOnlyMemory<byte> file = ReadBytes(stream, path, remedyIfTooLarge);
        var mark = System.Text.Encoding.UTF8.Preamble;
        if (file.Span.StartsWith(mark)) file = file[mark.Length..];
        return Utf8.IsValid(file.Span) ? file : throw NotUtf8(file.Span, path);
    }

    private static ReadOnlyMemory<byte> ReadBytes(Stream stream, string path, string remedyIfTooLarge)
    {
        try
        {
            // One byte more shows that there is no more.
            var file = new byte[stream.CanSeek ? Math.Min(MaxBytes, stream.Length) + 1 : 1 << 20];
            var length = 0;
            while (stream.Read(file, length, file.Length - length) is > 0 and var read)
            {
                length += read;
                if (length > MaxBytes)
                    throw new DataException($"The file has more than {MaxBytes >> 20} MB.", path, remedyIfTooLarge);
                if (length == file.Length) Array.Resize(ref file, (int)Math.Min(MaxBytes + 1, file.Length * 2L));
            }
            return file.AsMemory(0, length);
        }
        catch (IOException e)
        {
            throw new StorageException("The data file cannot be read: " + e.Message, path, inner: e);
        }
    }

    private static DataException NotUtf8(ReadOnlySpan<byte> file, string path)
    {
        for (long line = 1; ; line++)
        {
            var end = file.IndexOf((byte)'\n');
            var text = end < 0 ? file : file[..end];
            if (!Utf8.IsValid(text)) return LineReader.NotUtf8(text, new RecordOrigin(path, line));
            file = file[(end + 1)..];
        }
    }
}
