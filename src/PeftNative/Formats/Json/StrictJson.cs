using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using PeftNative.Formats.Text;

namespace PeftNative.Formats.Json;

/// <summary>
/// Reads JSON that others wrote with no surprises: limits on size and depth, duplicate keys refused, valid text only,
/// and errors that name file, line and column. What it allocates is bounded by the input's size. Thread-safe.
/// </summary>
public static class StrictJson
{
    /// <summary>The deepest nesting accepted.</summary>
    public const int MaxDepth = 32;

    /// <summary>The size limit of configuration files in bytes (4 MB).</summary>
    public const long ConfigLimit = 4L << 20;

    /// <summary>Reads a file that holds one JSON object.</summary>
    /// <exception cref="ModelFormatException">The file is too large or not such JSON.</exception>
    /// <exception cref="StorageException">The file is missing or cannot be read.</exception>
    public static StrictObject ReadFile(string path, long maxBytes = ConfigLimit)
    {
        try
        {
            var length = new FileInfo(path).Length;
            if (length > maxBytes)
                throw new ModelFormatException(
                    $"The file has {length} bytes; the limit for this kind is {maxBytes}.", path,
                    "Check that it is the file you mean.");
            return ParseObject(File.ReadAllBytes(path), path);
        }
        catch (Exception e) when (StorageErrors.IsStorage(e))
        {
            throw StorageErrors.Reading(path, e);
        }
    }

    /// <summary>Parses one JSON object from UTF-8.</summary>
    /// <exception cref="ModelFormatException">The text is not such JSON.</exception>
    public static StrictObject ParseObject(ReadOnlySpan<byte> utf8, string file = "memory")
    {
        var root = Parse(utf8, file);
        return root.ValueKind == JsonValueKind.Object ? new StrictObject(root, file, null)
            : throw new ModelFormatException("The file must hold a JSON object.", $"{file}, line 1");
    }

    /// <summary>Parses one JSON value of any kind from UTF-8.</summary>
    /// <exception cref="ModelFormatException">The text is not valid JSON by the rules above.</exception>
    public static JsonElement Parse(ReadOnlySpan<byte> utf8, string file = "memory")
    {
        if (ForeignFile.Recognise(utf8, file) is { } foreign) throw foreign;
        if (utf8.StartsWith(Encoding.UTF8.Preamble))
            throw Error("The file starts with a byte order mark.", utf8, 0, file, "Save it as UTF-8 without one.");
        if (!Utf8.IsValid(utf8))
            throw new ModelFormatException("The file is not valid UTF-8.", file, "Save it as UTF-8.");
        try
        {
            CheckKeysAndText(utf8, file);
            return JsonElement.Parse(utf8, new JsonDocumentOptions { MaxDepth = MaxDepth });
        }
        catch (JsonException e)
        {
            var reason = e.Message.Split(" LineNumber:")[0];
            throw new ModelFormatException($"Not valid JSON: {Message.Clip(reason)}",
                $"{file}, line {e.LineNumber + 1}, column {e.BytePositionInLine + 1}", null, e);
        }
    }

    private static void CheckKeysAndText(ReadOnlySpan<byte> utf8, string file)
    {
        var reader = new Utf8JsonReader(utf8, new JsonReaderOptions { MaxDepth = MaxDepth });
        var keys = new HashSet<string>?[MaxDepth + 1];
        while (reader.Read())
        {
            if (reader.TokenType == JsonTokenType.StartObject)
            {
                // Reuse small sets; clearing a large one for every small object after it would take quadratic time.
                ref var set = ref keys[reader.CurrentDepth];
                if (set is null or { Count: > 16 }) set = new(StringComparer.Ordinal);
                else set.Clear();
            }
            else if (reader.TokenType == JsonTokenType.PropertyName)
            {
                var key = Text(ref reader, utf8, file);
                if (!keys[reader.CurrentDepth - 1]!.Add(key))
                    throw Error($"The key '{Message.Clip(key)}' appears twice in one object.",
                        utf8, reader.TokenStartIndex, file);
            }
            else if (reader.TokenType == JsonTokenType.String && reader.ValueIsEscaped)
            {
                Text(ref reader, utf8, file);
            }
        }
    }

    private static string Text(ref Utf8JsonReader reader, ReadOnlySpan<byte> utf8, string file)
    {
        try
        {
            return reader.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw Error("The text holds half a surrogate pair.", utf8, reader.TokenStartIndex, file);
        }
    }

    private static ModelFormatException Error(
        string what, ReadOnlySpan<byte> utf8, long at, string file, string? remedy = null)
    {
        var before = utf8[..(int)at];
        var column = at - before.LastIndexOf((byte)'\n');
        return new(what, $"{file}, line {before.Count((byte)'\n') + 1}, column {column}", remedy);
    }
}
