using System.Security.Cryptography;

namespace PeftNative.Data.Reading;

/// <summary>Whole lines of a file, some hundred of them together, to be read by several threads.</summary>
/// <param name="Bytes">The lines with their ends.</param>
/// <param name="Offset">Bytes of the file before them.</param>
/// <param name="Line">The number of the first line, from 1.</param>
internal sealed record LineBlock(ReadOnlyMemory<byte> Bytes, long Offset, long Line)
{
    private const int Size = 1 << 20;

    /// <summary>All blocks of a stream, in order; every byte goes into the hash too.</summary>
    /// <exception cref="DataException">A line is longer than a line may be.</exception>
    public static IEnumerable<LineBlock> Read(Stream stream, string path, IncrementalHash hash)
    {
        var (offset, line, kept) = (0L, 1L, ReadOnlyMemory<byte>.Empty);
        while (true)
        {
            var bytes = new byte[kept.Length + Size];
            kept.CopyTo(bytes);
            var read = ReadInto(stream, bytes.AsSpan(kept.Length), path);
            hash.AppendData(bytes, kept.Length, read);
            var filled = bytes.AsMemory(0, kept.Length + read);
            // The last line goes on in the next block, where there is one.
            var whole = read < Size ? filled.Length : filled.Span.LastIndexOf((byte)'\n') + 1;
            kept = filled[whole..];
            if (kept.Length > LineReader.MaxLineBytes)
                throw new DataException($"The line is longer than {LineReader.MaxLineBytes >> 20} MB.",
                    new RecordOrigin(path, line).ToString(), "Split the record.");
            if (whole > 0)
            {
                yield return new LineBlock(filled[..whole], offset, line);
                line += filled.Span[..whole].Count((byte)'\n');
                offset += whole;
            }
            if (read < Size) yield break;
        }
    }

    /// <summary>The lines that are not blank, without their ends, with where they begin and their numbers.</summary>
    public IEnumerable<(ReadOnlyMemory<byte> Text, long Offset, long Line)> Lines()
    {
        var (at, line) = (0, Line);
        var mark = System.Text.Encoding.UTF8.Preamble;
        if (Offset == 0 && Bytes.Span.StartsWith(mark)) at = mark.Length;
        for (; at < Bytes.Length; line++)
        {
            var rest = Bytes[at..];
            var end = rest.Span.IndexOf((byte)'\n');
            var text = end < 0 ? rest : rest[..end];
            if (text.Span is [.., (byte)'\r']) text = text[..^1];
            if (!text.Span.Trim(" \t\r"u8).IsEmpty) yield return (text, Offset + at, line);
            at += end < 0 ? rest.Length : end + 1;
        }
    }

    private static int ReadInto(Stream stream, Span<byte> bytes, string path)
    {
        try
        {
            return stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        }
        catch (IOException e)
        {
            throw new StorageException("The data file cannot be read: " + e.Message, path, inner: e);
        }
    }
}
