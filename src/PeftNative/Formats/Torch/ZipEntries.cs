using System.Buffers.Binary;
using System.Text;
using PeftNative.Formats.Storage;
using PeftNative.Formats.Text;

namespace PeftNative.Formats.Torch;

/// <summary>Where the entries of a zip archive lie in it, uncompressed as PyTorch stores them.</summary>
internal sealed class ZipEntries
{
    private const uint End = 0x06054b50, End64 = 0x06064b50, Locator64 = 0x07064b50;
    private const uint Central = 0x02014b50, Local = 0x04034b50;
    private const int EndLength = 22, CentralLength = 46, LocalLength = 30, MaxComment = 65535, MaxEntries = 2_000_000;

    private readonly MappedFile _file;
    private readonly Dictionary<string, (long Offset, long Length)> _entries = new(StringComparer.Ordinal);

    /// <summary>Reads the archive's directory.</summary>
    /// <exception cref="ModelFormatException">It is damaged, compressed or encrypted.</exception>
    internal ZipEntries(MappedFile file)
    {
        _file = file;
        var (count, at) = FindDirectory();
        if (count > MaxEntries) throw Broken($"claims {count} entries, more than {MaxEntries}", at);
        for (var i = 0L; i < count; i++) at += Add(at);
    }

    /// <summary>The names of all entries.</summary>
    internal IEnumerable<string> Names => _entries.Keys;

    /// <summary>Where an entry's bytes are; null where there is none of the name.</summary>
    internal (long Offset, long Length)? Find(string name) =>
        _entries.TryGetValue(name, out var found) ? found : null;

    private (long Count, long Offset) FindDirectory()
    {
        for (var at = _file.Length - EndLength; at >= 0 && at >= _file.Length - EndLength - MaxComment; at--)
        {
            var end = _file.Bytes(at, EndLength);
            if (U32(end, 0) != End || at + EndLength + U16(end, 20) != _file.Length) continue;
            var (count, offset) = (U16(end, 10), U32(end, 16));
            return count == ushort.MaxValue || offset == uint.MaxValue ? FindDirectory64(at) : (count, offset);
        }
        throw new ModelFormatException("The file is a zip archive without its end.", _file.Path,
            "The download is probably incomplete; get the file again.");
    }

    private (long Count, long Offset) FindDirectory64(long end)
    {
        var locator = _file.Bytes(end - 20, 20);
        if (U32(locator, 0) != Locator64) throw Broken("lacks the place of its long directory", end);
        var at = I64(locator, 8);
        var record = _file.Bytes(at, 56);
        return U32(record, 0) == End64 ? (I64(record, 32), I64(record, 48)) : throw Broken("lacks its long end", at);
    }

    private int Add(long at)
    {
        var head = _file.Bytes(at, CentralLength);
        if (U32(head, 0) != Central) throw Broken("has no directory entry", at);
        int nameLength = U16(head, 28), extraLength = U16(head, 30);
        var name = Encoding.UTF8.GetString(_file.Bytes(at + CentralLength, nameLength));
        var extra = _file.Bytes(at + CentralLength + nameLength, extraLength);
        long size = U32(head, 24), stored = U32(head, 20), local = U32(head, 42);
        ReadLong(extra, ref size, ref stored, ref local);
        if ((U16(head, 8) & 1) != 0 || U16(head, 10) != 0 || size != stored)
            throw new ModelFormatException(
                $"The entry '{Message.Clip(name)}' is compressed or encrypted, which PyTorch does not do.",
                $"{_file.Path}, byte {at}", "Save the tensors again with torch.save, or as safetensors.");
        if (!_entries.TryAdd(name, (DataOf(local, size), size)))
            throw Broken($"has two entries '{Message.Clip(name)}'", at);
        return CentralLength + nameLength + extraLength + U16(head, 32);
    }

    // Numbers of 64 bits, there for those that do not fit 32, in this order.
    private static void ReadLong(ReadOnlySpan<byte> extra, ref long size, ref long stored, ref long local)
    {
        while (extra.Length >= 4)
        {
            var (id, length) = (U16(extra, 0), U16(extra, 2));
            if (length > extra.Length - 4) return;
            var field = extra.Slice(4, length);
            if (id == 1)
            {
                Take(ref field, ref size);
                Take(ref field, ref stored);
                Take(ref field, ref local);
            }
            extra = extra[(4 + length)..];
        }

        static void Take(ref ReadOnlySpan<byte> field, ref long value)
        {
            if (value != uint.MaxValue || field.Length < 8) return;
            value = I64(field, 0);
            field = field[8..];
        }
    }

    private long DataOf(long local, long size)
    {
        var head = _file.Bytes(local, LocalLength);
        if (U32(head, 0) != Local) throw Broken("has no entry", local);
        var start = local + LocalLength + U16(head, 26) + U16(head, 28);
        return size >= 0 && start <= _file.Length - size ? start : throw Broken("has an entry beyond its end", local);
    }

    private ModelFormatException Broken(string what, long at) => new($"The zip archive {what}.",
        $"{_file.Path}, byte {at}", "The file is damaged; get it again.");

    private static int U16(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);

    private static uint U32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    private static long I64(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadInt64LittleEndian(bytes[at..]);
}
