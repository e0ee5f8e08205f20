using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using PeftNative.Formats.Json;
using PeftNative.Formats.Text;

namespace PeftNative.Formats.Safetensors;

/// <summary>
/// Turns the JSON of a safetensors header into tensors. What it allocates is bounded by the header's length.
/// </summary>
internal ref struct SafetensorsHeaderReader
{
    private const string Damaged = "The file is damaged or was not written by a safetensors library; get it again.";

    private readonly string _file;
    private readonly List<StoredTensor> _tensors = [];
    private readonly Dictionary<string, string> _metadata = new(StringComparer.Ordinal);
    private Utf8JsonReader _json;
    private string? _tensor;

    private SafetensorsHeaderReader(ReadOnlySpan<byte> header, string file)
    {
        _file = file;
        _json = new Utf8JsonReader(header, new JsonReaderOptions { MaxDepth = StrictJson.MaxDepth });
    }

    public static (List<StoredTensor> Tensors, Dictionary<string, string> Metadata) Read(
        ReadOnlySpan<byte> header, string file)
    {
        var reader = new SafetensorsHeaderReader(header, file);
        if (header.StartsWith(Encoding.UTF8.Preamble)) throw reader.Error("The header starts with a byte order mark.");
        if (!Utf8.IsValid(header)) throw reader.Error("The header is not valid UTF-8.");
        try
        {
            reader.ReadHeader();
        }
        catch (JsonException e)
        {
            throw new ModelFormatException($"The header is not valid JSON (byte {e.BytePositionInLine} of line "
                + $"{e.LineNumber + 1}).", file, Damaged, e);
        }
        return (reader._tensors, reader._metadata);
    }

    private void ReadHeader()
    {
        _json.Read();
        if (_json.TokenType != JsonTokenType.StartObject) throw Error("The header is not a JSON object.");
        var seen = new HashSet<string>(StringComparer.Ordinal);
        while (NextKey() is { } key)
        {
            if (!seen.Add(key)) throw Error($"The key '{Message.Clip(key)}' appears twice in the header.");
            _tensor = key == "__metadata__" ? null : key;
            if (_tensor is null) ReadMetadata();
            else if (_tensors.Count < SafetensorsHeader.MaxTensors) _tensors.Add(ReadTensor(key));
            else throw Error($"The header lists more than {SafetensorsHeader.MaxTensors} tensors.");
        }
        _json.Read(); // only white space may follow; anything else makes the JSON reader throw
    }

    private void ReadMetadata()
    {
        _json.Read();
        if (_json.TokenType == JsonTokenType.Null) return; // the reference reads an absent map
        if (_json.TokenType != JsonTokenType.StartObject) throw Error("__metadata__ must be an object of text values.");
        while (NextKey() is { } key)
        {
            Expect(JsonTokenType.String, $"The value of '{Message.Clip(key)}' in __metadata__ must be text.");
            if (_metadata.Count == SafetensorsHeader.MaxMetadata)
                throw Error($"__metadata__ has more than {SafetensorsHeader.MaxMetadata} pairs.");
            if (!_metadata.TryAdd(key, Text()))
                throw Error($"The key '{Message.Clip(key)}' appears twice in __metadata__.");
        }
    }

    private StoredTensor ReadTensor(string name)
    {
        Expect(JsonTokenType.StartObject, "The header's entry must be an object.");
        StoredType? type = null;
        ImmutableArray<long>? shape = null;
        (long Begin, long End)? range = null;
        while (NextKey() is { } key)
        {
            var twice = false;
            switch (key)
            {
                case "dtype": twice = type.HasValue; type = ReadType(); break;
                case "shape": twice = shape.HasValue; shape = ReadShape(); break;
                case "data_offsets": twice = range.HasValue; range = ReadRange(); break;
                default: _json.Skip(); break; // the reference reader ignores unknown fields too
            }
            if (twice) throw Error($"'{key}' appears twice in the header's entry.");
        }
        return Check(name, type ?? throw Missing("dtype"), shape ?? throw Missing("shape"),
            range ?? throw Missing("data_offsets"));
    }

    private readonly StoredTensor Check(
        string name, StoredType type, ImmutableArray<long> shape, (long Begin, long End) range)
    {
        if (!type.TryByteLength(shape.AsSpan(), out var bytes))
            throw Error($"{Describe(type, shape)} is not possible: it overflows, or does not end on a whole byte.");
        if (range.End < range.Begin) throw Error($"data_offsets run backwards: {range.Begin} to {range.End}.");
        if (range.End - range.Begin != bytes)
            throw Error($"{Describe(type, shape)} takes {bytes} bytes, data_offsets give {range.End - range.Begin}.");
        return new StoredTensor(name, type, shape, range.Begin, range.End);
    }

    private static string Describe(StoredType type, ImmutableArray<long> shape) =>
        $"The shape [{string.Join(", ", shape)}] of {type.Name()}";

    private StoredType ReadType()
    {
        Expect(JsonTokenType.String, "dtype must be text.");
        var text = Text();
        return StoredTypes.TryParse(text, out var type) ? type : throw Error($"Unknown dtype '{Message.Clip(text)}'.");
    }

    private ImmutableArray<long> ReadShape()
    {
        Expect(JsonTokenType.StartArray, "shape must be an array.");
        Span<long> dimensions = stackalloc long[SafetensorsHeader.MaxRank];
        var rank = 0;
        while (_json.Read() && _json.TokenType != JsonTokenType.EndArray)
        {
            if (rank == dimensions.Length) throw Error($"The tensor has more than {dimensions.Length} dimensions.");
            dimensions[rank++] = Unsigned("shape");
        }
        return [.. dimensions[..rank]];
    }

    private (long Begin, long End) ReadRange()
    {
        const string rule = "data_offsets must be an array of two numbers.";
        Expect(JsonTokenType.StartArray, rule);
        _json.Read();
        var begin = Unsigned("data_offsets");
        _json.Read();
        var end = Unsigned("data_offsets");
        Expect(JsonTokenType.EndArray, rule);
        return (begin, end);
    }

    /// <summary>Moves to the next property and returns its name, or null at the end of the object.</summary>
    private string? NextKey()
    {
        _json.Read();
        return _json.TokenType == JsonTokenType.EndObject ? null : Text();
    }

    private void Expect(JsonTokenType token, string otherwise)
    {
        _json.Read();
        if (_json.TokenType != token) throw Error(otherwise);
    }

    private readonly long Unsigned(string field) =>
        _json.TokenType == JsonTokenType.Number && _json.TryGetUInt64(out var value) && value <= long.MaxValue
            ? (long)value
            : throw Error($"{field} must hold whole numbers from 0 to 2^63 - 1.");

    private readonly string Text()
    {
        try
        {
            return _json.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw Error("The header holds text with half a surrogate pair.");
        }
    }

    private readonly ModelFormatException Missing(string field) => Error($"The header's entry has no {field}.");

    private readonly ModelFormatException Error(string what) => new(what, Message.At(_file, _tensor), Damaged);
}
