using System.Text.Unicode;

namespace PeftNative.Data.Reading;

/// <summary>Files that are read as a whole: json and txt.</summary>
internal static class WholeFile
{
    private const long MaxBytes = 1L << 30;

    /// <summary>The bytes of a UTF-8 file without its byte order mark.</summary>
    public static ReadOnlyMemory<byte> Read(Stream stream, string path, string remedyIfTooLarge)
    {
        if (stream.Length > MaxBytes)
            throw new DataException($"The file has {stream.Length >> 20} MB; it may have 1024.", path,
                remedyIfTooLarge);
        ReadOnlyMemory<byte> file = ReadBytes(stream, path);
        var mark = System.Text.Encoding.UTF8.Preamble;
        if (file.Span.StartsWith(mark)) file = file[mark.Length..];
        return Utf8.IsValid(file.Span) ? file : throw NotUtf8(file.Span, path);
    }

    private static byte[] ReadBytes(Stream stream, string path)
    {
        try
        {
            var file = new byte[stream.Length];
            stream.ReadExactly(file);
            return file;
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
