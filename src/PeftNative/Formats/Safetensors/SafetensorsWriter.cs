using System.Buffers;
using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Text;
using PeftNative.Formats.Json;
using PeftNative.Formats.Storage;
using PeftNative.Tensors;

namespace PeftNative.Formats.Safetensors;

/// <summary>
/// Collects tensors and writes them as one safetensors file, byte for byte as the format's reference writer does:
/// metadata first, tensors by type (later members of <see cref="StoredType"/> first) and then by name, header padded
/// with spaces to a multiple of 8. Data is streamed, so a file may be larger than memory. Not thread-safe.
/// </summary>
public sealed class SafetensorsWriter
{
    private readonly SortedDictionary<string, string> _metadata = new(Comparer<string>.Create(JsonText.CompareUtf8));
    private readonly Dictionary<string, Entry> _entries = new(StringComparer.Ordinal);

    private sealed record Entry(
        string Name, StoredType Type, ImmutableArray<long> Shape, long Bytes, Action<Stream> Write);

    /// <summary>
    /// Creates a writer with <c>{"format": "pt"}</c> as its metadata, as PEFT and transformers write and expect it.
    /// </summary>
    public static SafetensorsWriter ForPyTorch() => new(new Dictionary<string, string> { ["format"] = "pt" });

    /// <summary>Creates a writer.</summary>
    /// <param name="metadata">The pairs of <c>__metadata__</c>; without any, the header has none.</param>
    public SafetensorsWriter(IReadOnlyDictionary<string, string>? metadata = null)
    {
        foreach (var (key, value) in metadata ?? ImmutableDictionary<string, string>.Empty)
        {
            CheckText(key);
            CheckText(value);
            _metadata.Add(key, value);
        }
    }

    /// <summary>
    /// Adds a tensor whose bytes (little-endian, C order) a callback writes when the file is written.
    /// </summary>
    /// <exception cref="ArgumentException">The name is taken or not valid text, or the shape is impossible.</exception>
    public void Add(string name, StoredType type, ReadOnlySpan<long> shape, Action<Stream> write)
    {
        CheckText(name);
        if (name == "__metadata__") throw new ArgumentException("No tensor can be called __metadata__.", nameof(name));
        if (shape.Length > SafetensorsHeader.MaxRank || !type.TryByteLength(shape, out var bytes))
            throw new ArgumentException($"Impossible shape for {type.Name()}: [{string.Join(", ", shape.ToArray())}].",
                nameof(shape));
        if (!_entries.TryAdd(name, new(name, type, [.. shape], bytes, write)))
            throw new ArgumentException($"There is a tensor '{name}' already.", nameof(name));
    }

    /// <summary>Adds a tensor from its bytes (little-endian, C order), which are not copied.</summary>
    /// <exception cref="ArgumentException">As above, or the number of bytes does not fit the shape.</exception>
    public void Add(string name, StoredType type, ReadOnlySpan<long> shape, ReadOnlyMemory<byte> bytes)
    {
        if (!type.TryByteLength(shape, out var expected) || expected != bytes.Length)
            throw new ArgumentException($"'{name}' needs {expected} bytes, got {bytes.Length}.", nameof(bytes));
        Add(name, type, shape, stream => stream.Write(bytes.Span));
    }

    /// <summary>
    /// Adds a tensor of singles, stored as F32, F16, BF16 or F64 (rounded to nearest even). The values are not copied.
    /// </summary>
    /// <exception cref="ArgumentException">As above, or the type is not one of these.</exception>
    public void Add(
        string name, ReadOnlySpan<long> shape, ReadOnlyMemory<float> values, StoredType type = StoredType.F32)
    {
        if (type is not (StoredType.F32 or StoredType.F16 or StoredType.BF16 or StoredType.F64))
            throw new ArgumentException($"Singles cannot be stored as {type.Name()}.", nameof(type));
        if (!StoredType.F32.TryByteLength(shape, out var expected) || expected / 4 != values.Length)
            throw new ArgumentException($"'{name}' needs {expected / 4} values, got {values.Length}.", nameof(values));
        Add(name, type, shape, stream => WriteSingles(stream, values.Span, type));
    }

    /// <summary>
    /// Writes the file under a temporary name, flushes it and renames it into place; see <see cref="AtomicFile"/>.
    /// </summary>
    /// <exception cref="StorageException">The disk is full, permission is missing or the like; an old file is
    /// untouched.</exception>
    /// <exception cref="ModelFormatException">The header would exceed the format's limit.</exception>
    public void Save(string path, IFileSystem? files = null)
    {
        var header = Header(path);
        AtomicFile.Write(path, stream => WriteTo(stream, header), header.Length + DataLength, files);
    }

    /// <summary>Writes the file's bytes to a stream.</summary>
    /// <exception cref="ModelFormatException">The header would exceed the format's limit.</exception>
    public void WriteTo(Stream stream) => WriteTo(stream, Header("stream"));

    /// <summary>The bytes of all tensors so far.</summary>
    public long DataLength => _entries.Values.Sum(e => e.Bytes);

    private IEnumerable<Entry> InFileOrder => _entries.Values.OrderByDescending(e => e.Type)
        .ThenBy(e => e.Name, Comparer<string>.Create(JsonText.CompareUtf8));

    private void WriteTo(Stream stream, byte[] header)
    {
        stream.Write(header);
        foreach (var entry in InFileOrder)
        {
            var measured = new MeasuredStream(stream);
            entry.Write(measured);
            if (measured.Position != entry.Bytes)
                throw new InvalidOperationException(
                    $"The callback of '{entry.Name}' wrote {measured.Position} bytes instead of {entry.Bytes}.");
        }
    }

    private byte[] Header(string path)
    {
        var json = new StringBuilder("{");
        if (_metadata.Count > 0) AppendMetadata(json);
        var begin = 0L;
        foreach (var entry in InFileOrder)
        {
            if (json.Length > 1) json.Append(',');
            json.AppendString(entry.Name, asciiOnly: false).Append(":{\"dtype\":\"").Append(entry.Type.Name())
                .Append("\",\"shape\":[").AppendJoin(',', entry.Shape).Append("],\"data_offsets\":[")
                .Append(begin).Append(',').Append(begin += entry.Bytes).Append("]}");
        }
        json.Append('}');
        return Frame(json, path);
    }

    private void AppendMetadata(StringBuilder json)
    {
        json.Append("\"__metadata__\":");
        var before = '{';
        foreach (var (key, value) in _metadata)
        {
            json.Append(before).AppendString(key, asciiOnly: false).Append(':').AppendString(value, asciiOnly: false);
            before = ',';
        }
        json.Append('}');
    }

    private byte[] Frame(StringBuilder json, string path)
    {
        var text = json.ToString();
        var length = Encoding.UTF8.GetByteCount(text);
        var padded = (length + 7L) / 8 * 8;
        if (padded > SafetensorsHeader.MaxHeaderBytes || _entries.Count > SafetensorsHeader.MaxTensors)
            throw new ModelFormatException(
                $"{_entries.Count} tensors with a header of {padded} bytes are too much for one file.", path,
                "Write several files with an index.");
        var framed = new byte[8 + padded];
        BinaryPrimitives.WriteInt64LittleEndian(framed, padded);
        Encoding.UTF8.GetBytes(text, framed.AsSpan(8));
        framed.AsSpan(8 + length).Fill((byte)' ');
        return framed;
    }

    internal static void WriteSingles(Stream stream, ReadOnlySpan<float> values, StoredType type)
    {
        const int chunk = 1 << 18;
        var buffer = new byte[Math.Min(chunk, values.Length) * (type.Bits() / 8)];
        for (; !values.IsEmpty; values = values[Math.Min(chunk, values.Length)..])
        {
            var part = values[..Math.Min(chunk, values.Length)];
            var bytes = buffer.AsSpan(0, part.Length * (type.Bits() / 8));
            switch (type)
            {
                case StoredType.F16:
                    FloatConversion.FromSingle(part, MemoryMarshal.Cast<byte, Half>(bytes));
                    break;
                case StoredType.BF16:
                    FloatConversion.FromSingle(part, MemoryMarshal.Cast<byte, BFloat16>(bytes));
                    break;
                case StoredType.F64:
                    FloatConversion.FromSingle(part, MemoryMarshal.Cast<byte, double>(bytes));
                    break;
                default:
                    MemoryMarshal.AsBytes(part).CopyTo(bytes);
                    break;
            }
            stream.Write(bytes);
        }
    }

    private static void CheckText(string text)
    {
        for (var rest = text.AsSpan(); !rest.IsEmpty;)
        {
            if (Rune.DecodeFromUtf16(rest, out _, out var length) != OperationStatus.Done)
                throw new ArgumentException("The text holds half a surrogate pair.", nameof(text));
            rest = rest[length..];
        }
    }
}
