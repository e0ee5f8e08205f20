using System.Text.Json;
using System.Text.Json.Nodes;

namespace PeftNative.Data.Reading;

/// <summary>
/// Builds JSON values at once and strictly: no duplicate names, no broken surrogates, no number outside the range of a
/// double. (JsonNode.Parse would find these only when a value is first used, far from the line that has it.)
/// </summary>
internal static class JsonValues
{
    public const int MaxDepth = 64;

    /// <summary>Reads the value the reader stands on; afterwards the reader stands on its last token.</summary>
    /// <exception cref="JsonException">The value breaks one of the rules; the message says which.</exception>
    public static JsonNode? Read(ref Utf8JsonReader reader)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.StartObject: return ReadObject(ref reader);
            case JsonTokenType.StartArray: return ReadArray(ref reader);
            case JsonTokenType.String: return JsonValue.Create(Text(ref reader));
            case JsonTokenType.Number: return Number(ref reader);
            case JsonTokenType.True: return JsonValue.Create(true);
            case JsonTokenType.False: return JsonValue.Create(false);
            default: return null;
        }
    }

    private static JsonObject ReadObject(ref Utf8JsonReader reader)
    {
        var result = new JsonObject();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            var name = Text(ref reader);
            reader.Read();
            if (!result.TryAdd(name, Read(ref reader)))
                throw new JsonException($"the name '{name}' appears twice in one object");
        }
        return result;
    }

    private static JsonArray ReadArray(ref Utf8JsonReader reader)
    {
        var result = new JsonArray();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray) result.Add(Read(ref reader));
        return result;
    }

    private static JsonValue Number(ref Utf8JsonReader reader)
    {
        if (reader.TryGetInt64(out var whole)) return JsonValue.Create(whole);
        var number = reader.GetDouble();
        return double.IsFinite(number) ? JsonValue.Create(number) : throw new JsonException("a number is too large");
    }

    /// <summary>The text or name the reader stands on.</summary>
    public static string Text(ref Utf8JsonReader reader)
    {
        try
        {
            return reader.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw new JsonException(
                "a text holds half of a surrogate pair (\\uD800 to \\uDFFF), which is no character");
        }
    }
}
