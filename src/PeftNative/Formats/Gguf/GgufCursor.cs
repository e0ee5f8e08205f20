using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Unicode;
using PeftNative.Formats.Text;

namespace PeftNative.Formats.Gguf;

/// <summary>
/// Reads a GGUF header from its beginning to its end, never beyond the bytes that it was given. Used by one thread.
/// </summary>
internal ref struct GgufCursor(ReadOnlySpan<byte> bytes, string file)
{
    private readonly ReadOnlySpan<byte> bytes = bytes;

    /// <summary>The next byte.</summary>
    internal int At { get; private set; }

    /// <summary>Bytes that are left.</summary>
    internal readonly int Left => bytes.Length - At;

    /// <summary>What is being read, for errors.</summary>
    internal string Field { get; set; } = "header";

    /// <summary>So many bytes.</summary>
    internal ReadOnlySpan<byte> Take(ulong length, string what)
    {
        if (length > (ulong)Left)
            throw Error($"The {what} takes {length} bytes, and {Left} are left in the file.", Truncated);
        var taken = bytes.Slice(At, (int)length);
        At += (int)length;
        return taken;
    }

    internal uint UInt32(string what) => BinaryPrimitives.ReadUInt32LittleEndian(Take(4, what));

    internal ulong UInt64(string what) => BinaryPrimitives.ReadUInt64LittleEndian(Take(8, what));

    /// <summary>A number of things that take at least so many bytes each.</summary>
    internal int Count(string what, int least)
    {
        var count = UInt64(what);
        return count <= (ulong)(Left / least) ? (int)count
            : throw Back(8).Error($"The {what} is {count}, and so many do not fit the {Left} bytes that follow.",
                Truncated);
    }

    /// <summary>A text.</summary>
    internal string Text(string what, int most = int.MaxValue)
    {
        var length = UInt64($"length of the {what}");
        if (length > (ulong)most)
            throw Back(8).Error($"The {what} has {length} bytes; the limit is {most}.", Damaged);
        var text = Take(length, what);
        if (!Utf8.IsValid(text)) throw Back((int)length).Error($"The {what} is not valid UTF-8.", Damaged);
        return Encoding.UTF8.GetString(text);
    }

    /// <summary>Numbers side by side.</summary>
    internal T[] Numbers<T>(int count)
        where T : unmanaged => MemoryMarshal.Cast<byte, T>(Take((ulong)count * (ulong)Size<T>(), "value")).ToArray();

    internal const string Truncated = "The download is probably incomplete, or the file is damaged; get it again.";
    internal const string Damaged = "The file is damaged; get it again.";

    /// <summary>The error for what lies here.</summary>
    internal readonly ModelFormatException Error(string what, string? remedy = Damaged) =>
        new(what, $"{file}, byte {At}, field '{Message.Clip(Field)}'", remedy);

    /// <summary>The place some bytes before, for an error about what was read.</summary>
    internal readonly GgufCursor Back(int count) => this with { At = At - count };

    private static unsafe int Size<T>()
        where T : unmanaged => sizeof(T);
}
