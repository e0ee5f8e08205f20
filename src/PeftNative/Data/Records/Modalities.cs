using System.Text.Json.Nodes;
using PeftNative.Data.Reading;

namespace PeftNative.Data.Records;

/// <summary>Finds images, sounds and films in records: models here read text, and none may be dropped unsaid.</summary>
internal static class Modalities
{
    private static readonly string[] Fields =
        ["image", "images", "audio", "audios", "video", "videos", "pixel_values", "input_features"];

    private static readonly string[] Turns = ["messages", "conversations", "conversation", "chosen", "prompt"];

    private static readonly string[] Places = ["<image>", "<audio>", "<video>", "<|image|>", "<|audio|>", "<|video|>"];

    /// <summary>
    /// Refuses a record whose text speaks of what it lacks here; other fields of the kind are named with all that
    /// nothing is made of.
    /// </summary>
    /// <exception cref="DataException">The record is a conversation about an image, a sound or a film.</exception>
    public static void Check(RawRecord record)
    {
        foreach (var (name, value) in record.Fields)
        {
            if (!Fields.Contains(name.ToLowerInvariant()) || IsEmpty(value)) continue;
            if (!Turns.Any(record.Fields.ContainsKey) && !record.Fields.Any(f => HasPlace(f.Value))) continue;
            throw new DataException($"The record has '{name}', and what is trained here reads text only.",
                record.Origin.ToString(), $"Leave such records out, or remove the field '{name}' where the texts make "
                    + "sense without it.");
        }
    }

    private static bool HasPlace(JsonNode? value) =>
        value is JsonValue text && text.TryGetValue<string>(out var content)
        && Places.Any(place => content.Contains(place, StringComparison.Ordinal));

    private static bool IsEmpty(JsonNode? value) => value switch
    {
        null or JsonArray { Count: 0 } => true,
        JsonArray list => list.All(IsEmpty),
        JsonValue text => text.TryGetValue<string>(out var content) && content.Length == 0,
        _ => false,
    };
}
