using System.IO.Compression;
using System.Text;
using TextEncoding = System.Text.Encoding;

namespace PeftNative.Data.Reading;

/// <summary>
/// A data file as UTF-8, whatever it is compressed with or written in. Every opening begins at its start.
/// </summary>
internal sealed class DataContent(string path, ReadOptions options)
{
    private static readonly byte[] Gzip = [0x1F, 0x8B], Zstandard = [0x28, 0xB5, 0x2F, 0xFD];

    /// <summary>The file.</summary>
    public string Path => path;

    /// <summary>Whether the bytes of the file are the content itself, so that places in both are the same.</summary>
    public bool IsPlain { get; private set; }

    /// <summary>Opens the content.</summary>
    /// <exception cref="DataException">There is no such file, or it is something else.</exception>
    /// <exception cref="StorageException">It cannot be opened.</exception>
    public Stream Open()
    {
        var file = OpenFile(path);
        try
        {
            var start = Start(file);
            var content = Decompress(file, start, out var isCompressed);
            if (isCompressed)
            {
                content = new BufferedStart(content);
                start = ((BufferedStart)content).Start;
            }
            OtherKinds.Refuse(start, path);
            var encoding = EncodingOf(start);
            IsPlain = !isCompressed && encoding is null;
            return encoding is null ? content : new TranscodedStream(content, encoding, path);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Opens a file as it is.</summary>
    public static FileStream OpenFile(string path)
    {
        if (Directory.Exists(path))
            throw new DataException("A data file was expected, but this is a folder.", path, "Name a file inside it.");
        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new DataException("The data file does not exist.", path, "Check the path.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StorageException(
                "The data file cannot be opened: " + e.Message, path, "Check its permissions.", e);
        }
    }

    private Stream Decompress(FileStream file, ReadOnlySpan<byte> start, out bool isCompressed)
    {
        isCompressed = true;
        if (start.StartsWith(Gzip))
            return new BoundedStream(new GZipStream(file, CompressionMode.Decompress), "gzip", file.Length, path);
        foreach (var way in DataFormats.Decompressions)
        {
            if (start.StartsWith(way.Magic))
                return new BoundedStream(way.Open(file), way.Name, file.Length, path);
        }
        if (start.StartsWith(Zstandard))
            throw new DataException("The data file is compressed with zstd, which this program does not read.", path,
                "Decompress it, or add the package PeftNative.Columnar.");
        isCompressed = false;
        return file;
    }

    private TextEncoding? EncodingOf(ReadOnlySpan<byte> start)
    {
        if (options.Encoding is { } name) return Named(name);
        if (start.StartsWith<byte>([0xFF, 0xFE, 0, 0])) return Strict(TextEncoding.UTF32);
        if (start.StartsWith<byte>([0xFF, 0xFE])) return Strict(TextEncoding.Unicode);
        return start.StartsWith<byte>([0xFE, 0xFF]) ? Strict(TextEncoding.BigEndianUnicode) : null;
    }

    private static TextEncoding? Named(string name)
    {
        var plain = name.ToLowerInvariant();
        if (plain is "utf-8" or "utf8" or "utf-8-sig") return null;
        try
        {
            var known = plain switch { "latin-1" => "latin1", "cp1252" => "windows-1252", var other => other };
            return Strict(CodePagesEncodingProvider.Instance.GetEncoding(known) ?? TextEncoding.GetEncoding(known));
        }
        catch (ArgumentException e)
        {
            throw new UsageException($"There is no encoding '{name}'.", "--encoding",
                "Known are utf-8, latin1, windows-1252, utf-16, shift_jis, gb18030 and others.", e);
        }
    }

    private static TextEncoding Strict(TextEncoding encoding)
    {
        var strict = (TextEncoding)encoding.Clone();
        strict.DecoderFallback = DecoderFallback.ExceptionFallback;
        return strict;
    }

    private static byte[] Start(FileStream file)
    {
        var start = new byte[OtherKinds.Length];
        var read = file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
        file.Position = 0;
        return start[..read];
    }
}
