using System.Text.Json;

namespace PeftNative.Tokenizers.Files.Parts;

/// <summary>
/// A JSON object of a tokenizer file; whatever is not as it should be becomes an error that names the file and the key.
/// </summary>
internal readonly record struct JsonNodeAt(JsonElement Element, string Where)
{
    private const int MaxDepth = 32;

    /// <summary>Reads a file that holds an object.</summary>
    public static JsonNodeAt Read(string path, long maxBytes)
    {
        var node = Parse(path, maxBytes);
        return node.Element.ValueKind == JsonValueKind.Object ? node : throw node.Error("is not a JSON object");
    }

    /// <summary>Reads a file that holds a list.</summary>
    public static IEnumerable<JsonNodeAt> ReadList(string path, long maxBytes) => Parse(path, maxBytes).Items();

    private static JsonNodeAt Parse(string path, long maxBytes)
    {
        var bytes = FileBytes.Read(path, maxBytes);
        try
        {
            return new(JsonDocument.Parse(bytes, new JsonDocumentOptions { MaxDepth = MaxDepth }).RootElement, path);
        }
        catch (JsonException e)
        {
            throw new ModelFormatException("The file is not valid JSON.", path, inner: e);
        }
    }

    /// <summary>An error about this node.</summary>
    public ModelFormatException Error(string what) => new($"The tokenizer file {what}.", Where);

    /// <summary>The value of a key, or null where it is missing or null.</summary>
    public JsonNodeAt? Get(string key)
    {
        if (Element.ValueKind != JsonValueKind.Object) throw Error("has another value where an object belongs");
        return Element.TryGetProperty(key, out var value) && value.ValueKind != JsonValueKind.Null
            ? new(value, $"{Where}: {key}") : null;
    }

    /// <summary>The value of a key that must be there.</summary>
    public JsonNodeAt Need(string key) => Get(key) ?? throw Error($"lacks the key \"{key}\"");

    /// <summary>This as a text.</summary>
    public string AsText()
    {
        try
        {
            return Element.ValueKind == JsonValueKind.String ? Element.GetString()!
                : throw Error("has another value where a text belongs");
        }
        catch (InvalidOperationException e)
        {
            throw new ModelFormatException("The tokenizer file has a text with half a surrogate pair.", Where,
                inner: e);
        }
    }

    /// <summary>This as a whole number of a range.</summary>
    public int AsInt(int min, int max) =>
        Element.ValueKind == JsonValueKind.Number && Element.TryGetInt32(out var value)
            && value >= min && value <= max ? value
            : throw Error($"has another value where a number from {min} to {max} belongs");

    /// <summary>This as a number.</summary>
    public double AsNumber() =>
        Element.ValueKind == JsonValueKind.Number && Element.TryGetDouble(out var value) && double.IsFinite(value)
        ? value : throw Error("has another value where a number belongs");

    /// <summary>This as true or false.</summary>
    public bool AsBool() => Element.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Error("has another value where true or false belongs"),
    };

    /// <summary>The items of a list.</summary>
    public IEnumerable<JsonNodeAt> Items()
    {
        var where = Where;
        if (Element.ValueKind != JsonValueKind.Array) throw Error("has another value where a list belongs");
        return Element.EnumerateArray().Select((item, i) => new JsonNodeAt(item, $"{where}[{i}]"));
    }

    /// <summary>The keys and values of an object.</summary>
    public IEnumerable<(string Key, JsonNodeAt Value)> Entries()
    {
        var where = Where;
        if (Element.ValueKind != JsonValueKind.Object) throw Error("has another value where an object belongs");
        return Element.EnumerateObject().Select(p => (NameOf(p, where), new JsonNodeAt(p.Value, where)));
    }

    /// <summary>A text of this object, or a default.</summary>
    public string? Text(string key, string? missing = null) => Get(key)?.AsText() ?? missing;

    /// <summary>A truth value of this object, or a default.</summary>
    public bool Bool(string key, bool missing) => Get(key)?.AsBool() ?? missing;

    private static string NameOf(JsonProperty property, string where)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException e)
        {
            throw new ModelFormatException("The tokenizer file has a key with half a surrogate pair.", where, inner: e);
        }
    }
}

/// <summary>Reads whole files with a limit on their size.</summary>
internal static class FileBytes
{
    /// <summary>The bytes of a file, without a byte order mark.</summary>
    public static byte[] Read(string path, long maxBytes)
    {
        try
        {
            using var stream = File.OpenRead(path);
            if (stream.Length > maxBytes)
            {
                throw new ModelFormatException(
                    $"The file has {stream.Length:N0} bytes; at most {maxBytes:N0} are read.", path);
            }
            var bytes = new byte[stream.Length];
            stream.ReadExactly(bytes);
            return bytes.AsSpan().StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF]) ? bytes[3..] : bytes;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StorageException("The file cannot be read.", path, inner: e);
        }
    }
}
