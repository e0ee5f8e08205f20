using System.Buffers;

namespace PeftNative.Data.Reading;

/// <summary>
/// Finds where JSON values begin and end in a stream, without understanding them: what is broken in a value is for a
/// strict parser to say. Not thread-safe.
/// </summary>
internal sealed class JsonScanner(Stream stream, string path)
{
    private static readonly SearchValues<byte> InText = SearchValues.Create("\"\\"u8),
        InBrackets = SearchValues.Create("\"{}[]"u8), Outside = SearchValues.Create("\"{}[], \t\r\n"u8);

    private byte[] _buffer = new byte[1 << 16];
    private int _start, _end;
    private bool _isFinished, _isBegun;
    private long _line = 1;

    /// <summary>Where the value or sign that comes next is.</summary>
    public RecordOrigin Origin => new(path, _line);

    /// <summary>Bytes of the stream before what comes next.</summary>
    public long Offset { get; private set; }

    /// <summary>The next byte that is no white space, which stays there; -1 at the end.</summary>
    public int Peek()
    {
        if (!_isBegun)
        {
            _isBegun = true;
            while (_end < 3 && Fill()) { }
            if (_buffer.AsSpan(0, _end).StartsWith(System.Text.Encoding.UTF8.Preamble)) Take(3);
        }
        while (_start < _end || Fill())
        {
            if (_buffer[_start] is not ((byte)' ' or (byte)'\t' or (byte)'\r' or (byte)'\n')) return _buffer[_start];
            Take(1);
        }
        return -1;
    }

    /// <summary>Goes past the byte that <see cref="Peek"/> saw.</summary>
    public void Skip() => Take(1);

    /// <summary>
    /// The bytes of the value that comes next, valid until the next call; up to the end where it is cut off.
    /// </summary>
    /// <exception cref="DataException">It is longer than a record may be.</exception>
    public ReadOnlyMemory<byte> Value()
    {
        var (length, depth, inText) = (0, 0, false);
        while (_start + length < _end || Fill())
        {
            if (length > LineReader.MaxLineBytes)
                throw new DataException($"The record is longer than {LineReader.MaxLineBytes >> 20} MB.",
                    Origin.ToString(), "Split it.");
            var rest = _buffer.AsSpan(_start + length, _end - _start - length);
            var at = rest.IndexOfAny(inText ? InText : depth > 0 ? InBrackets : Outside);
            if (at < 0)
            {
                length += rest.Length;
                continue;
            }
            length += at;
            if (inText && rest[at] == '\\')
            {
                length += 2; // what is behind the backslash is part of the text
                while (_start + length > _end && Fill()) { }
                length = Math.Min(length, _end - _start);
                continue;
            }
            // Outside of all brackets a sign or a space ends a bare word.
            if (depth == 0 && !inText && length > 0 && rest[at] != '"') return Taken(length);
            if (rest[at] == '"') inText = !inText;
            else depth += rest[at] is (byte)'{' or (byte)'[' ? 1 : -1;
            length++;
            if (depth <= 0 && !inText) return Taken(length);
        }
        return Taken(length);
    }

    private ReadOnlyMemory<byte> Taken(int length)
    {
        var value = _buffer.AsMemory(_start, length);
        Take(length);
        return value;
    }

    private void Take(int length)
    {
        _line += _buffer.AsSpan(_start, length).Count((byte)'\n');
        _start += length;
        Offset += length;
    }

    private bool Fill() => !_isFinished
        && !(_isFinished = !StreamBuffer.Fill(stream, path, ref _buffer, ref _start, ref _end));
}
