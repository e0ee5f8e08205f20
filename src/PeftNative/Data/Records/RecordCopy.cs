using System.Buffers;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using PeftNative.Data.Reading;

namespace PeftNative.Data.Records;

/// <summary>Records as JSON in a temporary file, for those whose own file cannot be read from the middle.</summary>
internal sealed class RecordCopy
{
    private readonly TemporaryFile file = new();
    private readonly ArrayBufferWriter<byte> buffer = new();

    /// <summary>Bytes written.</summary>
    public long Length => file.Length;

    /// <summary>What <see cref="Write(JsonObject)"/> wrote last.</summary>
    public ReadOnlySpan<byte> Last => buffer.WrittenSpan;

    /// <summary>Makes the bytes of a record, so that reading them gives what it is now.</summary>
    public void Write(JsonObject fields)
    {
        buffer.ResetWrittenCount();
        using var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { SkipValidation = true });
        Write(fields, writer);
    }

    /// <summary>Puts them behind those that are there.</summary>
    public void Append() => file.Append(Last);

    /// <summary>Makes all that was appended readable.</summary>
    public void Flush() => file.Flush();

    /// <summary>Reads bytes from a place.</summary>
    public void Read(Span<byte> bytes, long offset) => file.Read(bytes, offset);

    private static void Write(JsonNode? node, Utf8JsonWriter to)
    {
        switch (node)
        {
            case JsonObject fields:
                to.WriteStartObject();
                foreach (var (name, value) in fields)
                {
                    to.WritePropertyName(name);
                    Write(value, to);
                }
                to.WriteEndObject();
                break;
            case JsonArray items:
                to.WriteStartArray();
                foreach (var item in items) Write(item, to);
                to.WriteEndArray();
                break;
            // 2.0 is no whole number: whether a label is a class hangs on it.
            case JsonValue value when value.TryGetValue<double>(out var real) && !value.TryGetValue<long>(out _)
                && Math.Abs(real) < 1e15 && real == Math.Floor(real):
                to.WriteRawValue(real.ToString("F1", CultureInfo.InvariantCulture), skipInputValidation: true);
                break;
            case null:
                to.WriteNullValue();
                break;
            default:
                node.WriteTo(to);
                break;
        }
    }
}
