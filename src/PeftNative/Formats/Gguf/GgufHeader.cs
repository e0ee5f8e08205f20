using System.Collections.Immutable;
using PeftNative.Formats.Safetensors;
using PeftNative.Formats.Text;
using PeftNative.Ops;

namespace PeftNative.Formats.Gguf;

/// <summary>
/// What stands before the tensors of a GGUF file, checked as ggml checks it: versions 2 and 3, every length inside the
/// file, every tensor where the one before it ends. Immutable.
/// </summary>
internal sealed record GgufHeader(int Version, GgufValues Values, ImmutableArray<StoredTensor> Tensors, long DataStart)
{
    private const int MostKey = 65_535, MostName = 63, MostDimensions = 4, MostDepth = 4, LeastValue = 13,
        LeastTensor = 24;

    private const string Alignment = "general.alignment";

    // What an entry of an array takes at least, by kind.
    private static readonly int[] LeastBytes = [1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8];

    /// <summary>Reads a header.</summary>
    /// <param name="bytes">The file from its beginning; all of it, or 2 GB.</param>
    /// <param name="length">Its size.</param>
    /// <param name="file">Its name, for errors.</param>
    /// <exception cref="ModelFormatException">It is damaged, or of a kind that is not read.</exception>
    internal static GgufHeader Parse(ReadOnlySpan<byte> bytes, long length, string file)
    {
        if (ForeignFile.Recognise(bytes, file) is { } foreign) throw foreign;
        var cursor = new GgufCursor(bytes, file);
        if (!cursor.Take(4, "header").SequenceEqual("GGUF"u8))
            throw new ModelFormatException("The file does not begin with GGUF.", $"{file}, byte 0, field 'magic'",
                "It is not a GGUF file, or it is damaged.");
        var version = Version32(ref cursor);
        cursor.Field = "tensor count";
        var tensors = cursor.Count("number of tensors", LeastTensor);
        cursor.Field = "key count";
        var keys = cursor.Count("number of keys", LeastValue);
        var values = ReadValues(ref cursor, keys, file);
        var alignment = AlignmentOf(values);
        return ReadTensors(ref cursor, tensors, alignment, length) with { Version = version, Values = values };
    }

    private static int Version32(ref GgufCursor cursor)
    {
        cursor.Field = "version";
        var version = cursor.UInt32("version");
        if (version is 2 or 3) return (int)version;
        throw cursor.Back(4).Error($"Version {version} of GGUF is not supported.",
            version is > 0 and < 1 << 16 ? "Supported: 2 and 3; convert the model again."
                : "The file is damaged, or of a machine with another order of bytes.");
    }

    private static GgufValues ReadValues(ref GgufCursor cursor, int count, string file)
    {
        var values = new OrderedDictionary<string, GgufValue>(StringComparer.Ordinal);
        for (var i = 0; i < count; i++)
        {
            cursor.Field = $"key {i}";
            var start = cursor;
            var key = cursor.Text("key", MostKey);
            cursor.Field = key;
            var value = ReadValue(ref cursor, Kind(ref cursor), depth: 0);
            if (!values.TryAdd(key, value)) throw start.Error($"The key '{Message.Clip(key)}' is there twice.");
        }
        return new GgufValues(values, file);
    }

    private static GgufKind Kind(ref GgufCursor cursor)
    {
        var kind = cursor.UInt32("type");
        return kind <= (uint)GgufKind.Float64 ? (GgufKind)kind
            : throw cursor.Back(4).Error($"A value of the type {kind} is not known.");
    }

    private static GgufValue ReadValue(ref GgufCursor cursor, GgufKind kind, int depth)
    {
        if (kind == GgufKind.String) return new GgufValue(kind, cursor.Text("text"));
        if (kind != GgufKind.Array)
            return new GgufValue(kind, ((Array)ReadNumbers(ref cursor, kind, 1)).GetValue(0)!);
        if (depth == MostDepth) throw cursor.Error($"Arrays lie in each other more than {MostDepth} deep.");
        var inner = Kind(ref cursor);
        var count = cursor.Count("length of the array", LeastBytes[(int)inner]);
        if (inner is not (GgufKind.String or GgufKind.Array))
            return new GgufValue(kind, ReadNumbers(ref cursor, inner, count));
        var entries = new GgufValue[count];
        for (var i = 0; i < count; i++) entries[i] = ReadValue(ref cursor, inner, depth + 1);
        return new GgufValue(kind, inner == GgufKind.Array
            ? entries : Array.ConvertAll(entries, e => (string)e.Content));
    }

    private static object ReadNumbers(ref GgufCursor cursor, GgufKind kind, int count)
    {
        switch (kind)
        {
            case GgufKind.UInt8: return cursor.Numbers<byte>(count);
            case GgufKind.Int8: return cursor.Numbers<sbyte>(count);
            case GgufKind.UInt16: return cursor.Numbers<ushort>(count);
            case GgufKind.Int16: return cursor.Numbers<short>(count);
            case GgufKind.UInt32: return cursor.Numbers<uint>(count);
            case GgufKind.Int32: return cursor.Numbers<int>(count);
            case GgufKind.Float32: return cursor.Numbers<float>(count);
            case GgufKind.UInt64: return cursor.Numbers<ulong>(count);
            case GgufKind.Int64: return cursor.Numbers<long>(count);
            case GgufKind.Float64: return cursor.Numbers<double>(count);
        }
        var flags = cursor.Numbers<byte>(count);
        var wrong = Array.FindIndex(flags, f => f > 1);
        return wrong < 0 ? Array.ConvertAll(flags, f => f == 1)
            : throw cursor.Back(count - wrong).Error($"A value that is true or false has the byte {flags[wrong]}.");
    }

    private static long AlignmentOf(GgufValues values)
    {
        if (!values.All.TryGetValue(Alignment, out var value)) return 32;
        return value.Content is uint alignment && alignment != 0 && (alignment & (alignment - 1)) == 0 ? alignment
            : throw values.Error(Alignment, $"must be a power of two of the type uint32, found {value}");
    }

    private static GgufHeader ReadTensors(ref GgufCursor cursor, int count, long alignment, long length)
    {
        var tensors = ImmutableArray.CreateBuilder<StoredTensor>(count);
        var names = new HashSet<string>(StringComparer.Ordinal);
        var expected = (Int128)0;
        for (var i = 0; i < count; i++)
        {
            cursor.Field = $"tensor {i}";
            var start = cursor;
            var tensor = ReadTensor(ref cursor, expected, length);
            if (!names.Add(tensor.Name)) throw start.Error($"The tensor '{Message.Clip(tensor.Name)}' is there twice.");
            tensors.Add(tensor);
            expected = Aligned(tensor.End, alignment);
        }
        cursor.Field = "data";
        var data = Aligned(cursor.At, alignment);
        var last = tensors.Count == 0 ? 0 : tensors[^1].End;
        if (last > length - data && last > 0)
            throw cursor.Error($"The tensors end at byte {data + last}, and the file at byte {length}.",
                GgufCursor.Truncated);
        if (length > data + expected)
            throw cursor.Error($"The tensors end at byte {data + last}, and the file at byte {length}: what follows "
                + "them is not known.");
        return new GgufHeader(0, null!, tensors.MoveToImmutable(), (long)Int128.Min(data, length));
    }

    private static Int128 Aligned(Int128 at, long alignment) => (at + alignment - 1) / alignment * alignment;

    private static StoredTensor ReadTensor(ref GgufCursor cursor, Int128 expected, long length)
    {
        var name = cursor.Text("name of a tensor", MostName);
        cursor.Field = name;
        var dimensions = cursor.UInt32("number of dimensions");
        if (dimensions > MostDimensions)
            throw cursor.Back(4).Error($"The tensor has {dimensions} dimensions; the limit is {MostDimensions}.");
        var shape = new long[dimensions]; // the file's first runs fastest
        var elements = (Int128)1;
        for (var d = shape.Length - 1; d >= 0; d--)
        {
            var size = cursor.UInt64("dimension");
            if (size > long.MaxValue || (elements *= size) > long.MaxValue)
                throw cursor.Back(8).Error("The tensor has more elements than 63 bits count.");
            shape[d] = (long)size;
        }
        var type = cursor.UInt32("type");
        if (!GgufTypes.TryFind(type, out var plain, out var block))
            throw cursor.Back(4).Error($"The tensor is of the type {GgufTypes.Name(type)}, which is not supported.",
                "Supported: F32, F16, BF16, F64, I8, I16, I32, I64, "
                + string.Join(", ", Enum.GetValues<BlockFormat>().Where(f => f != BlockFormat.None)
                    .Select(f => f.Name())) + ".");
        var columns = shape.Length == 0 ? 1 : shape[^1];
        if (block != BlockFormat.None && columns % block.Elements() != 0)
            throw cursor.Back(4).Error(
                $"A row of {columns} elements is not whole blocks of {block.Elements()} ({block.Name()}).");
        var bytes = block == BlockFormat.None ? elements * plain.Bits() / 8
            : elements / block.Elements() * block.Bytes();
        var offset = cursor.UInt64("offset");
        if (offset != expected)
            throw cursor.Back(8).Error($"The tensor begins at {offset} of the data, and {expected} is next.");
        return offset + bytes <= length
            ? new StoredTensor(name, plain, [.. shape], (long)offset, (long)(offset + bytes)) { Block = block }
            : throw cursor.Back(8).Error($"The tensor takes {bytes} bytes, more than the file has.",
                GgufCursor.Truncated);
    }
}
