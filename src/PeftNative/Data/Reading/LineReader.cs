using System.Buffers;
using System.Text;
using System.Text.Unicode;

namespace PeftNative.Data.Reading;

/// <summary>
/// Reads UTF-8 lines of at most 64 MB, ended by LF or CRLF, a byte order mark at the start left out. Not thread-safe.
/// </summary>
internal sealed class LineReader(Stream stream, string path)
{
    public const int MaxLineBytes = 64 << 20;
    private static readonly byte[] ByteOrderMark = [0xEF, 0xBB, 0xBF];

    private byte[] _buffer = new byte[1 << 16];
    private int _start, _end;
    private bool _finished;
    private long _offset;

    /// <summary>The number of the current line, from 1.</summary>
    public long LineNumber { get; private set; }

    /// <summary>Bytes of the stream before the current line.</summary>
    public long Offset { get; private set; }

    /// <summary>The bytes of the current line without its end; valid until the next one is read.</summary>
    public ReadOnlyMemory<byte> Line { get; private set; }

    /// <summary>How the current line ends: LF, CRLF, or nothing at the end of the file.</summary>
    public string LineEnd { get; private set; } = "";

    /// <summary>Where the current line is.</summary>
    public RecordOrigin Origin => new(path, LineNumber);

    /// <summary>Goes to the next line; false at the end of the file.</summary>
    public bool Next()
    {
        var length = FindLineFeed();
        if (length < 0 && _start == _end) return false;
        LineNumber++;
        Offset = _offset;
        var next = length < 0 ? _end : _start + length + 1;
        _offset += next - _start;
        var line = _buffer.AsMemory(_start, length < 0 ? _end - _start : length);
        if (LineNumber == 1 && line.Span.StartsWith(ByteOrderMark)) line = line[ByteOrderMark.Length..];
        var carriageReturn = length >= 0 && line.Span is [.., (byte)'\r'];
        Line = carriageReturn ? line[..^1] : line;
        LineEnd = length < 0 ? "" : carriageReturn ? "\r\n" : "\n";
        _start = next;
        return true;
    }

    /// <summary>The line as text.</summary>
    /// <exception cref="DataException">It is not UTF-8.</exception>
    public string Text()
    {
        RequireUtf8();
        return System.Text.Encoding.UTF8.GetString(Line.Span);
    }

    /// <exception cref="DataException">The line is not UTF-8.</exception>
    public void RequireUtf8()
    {
        if (!Utf8.IsValid(Line.Span)) throw NotUtf8(Line.Span, Origin);
    }

    internal static DataException NotUtf8(ReadOnlySpan<byte> bytes, RecordOrigin origin)
    {
        var valid = ValidLength(bytes);
        return new DataException(
            $"The text is not UTF-8: byte {valid + 1} is 0x{bytes[valid]:X2}{Excerpt.After(bytes[..valid])}.",
            origin.ToString(),
            "Name its encoding with --encoding, such as latin1 or windows-1252, or save the file as UTF-8.");
    }

    private static int ValidLength(ReadOnlySpan<byte> bytes)
    {
        var valid = 0;
        while (Rune.DecodeFromUtf8(bytes[valid..], out _, out var length) == OperationStatus.Done) valid += length;
        return valid;
    }

    private int FindLineFeed()
    {
        for (var searched = 0; ; )
        {
            var found = _buffer.AsSpan(_start + searched, _end - _start - searched).IndexOf((byte)'\n');
            if (found >= 0) return searched + found;
            searched = _end - _start;
            if (searched > MaxLineBytes)
            {
                throw new DataException($"The line is longer than {MaxLineBytes >> 20} MB.",
                    new RecordOrigin(path, LineNumber + 1).ToString(),
                    "Split the record, or check that the lines are separated by line feeds.");
            }
            if (_finished || !Fill()) return -1;
        }
    }

    private bool Fill() => !(_finished = !StreamBuffer.Fill(stream, path, ref _buffer, ref _start, ref _end));
}

/// <summary>The beginnings of texts that error messages show.</summary>
internal static class Excerpt
{
    private const int Length = 60;

    /// <summary>The first characters of a text, on one line.</summary>
    public static string Of(string text, int length = Length)
    {
        var shown = text.Length <= length ? text : string.Concat(text.AsSpan(0, length), "…");
        return string.Concat(shown.Select(c => char.IsControl(c) ? ' ' : char.IsSurrogate(c) ? '?' : c));
    }

    /// <summary>The same of UTF-8 bytes, broken ones replaced.</summary>
    public static string Of(ReadOnlySpan<byte> bytes) =>
        Of(System.Text.Encoding.UTF8.GetString(bytes[..Math.Min(bytes.Length, 4 * Length)]));

    /// <summary><c>, after "…"</c>, or nothing where nothing is before.</summary>
    public static string After(ReadOnlySpan<byte> before) =>
        before.IsEmpty ? "" : $", after \"{Of(before[^Math.Min(before.Length, 20)..])}\"";
}
