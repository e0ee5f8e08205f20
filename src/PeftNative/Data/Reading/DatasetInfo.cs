using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace PeftNative.Data.Reading;

/// <summary>
/// What stands beside the data of a data set about its columns: the names of classes that the data has as numbers.
/// They are found in the files themselves, in dataset_info.json, or in the front of README.md, in the folder of the
/// data or the one above.
/// </summary>
public static partial class DatasetInfo
{
    private static readonly IReadOnlyDictionary<string, IReadOnlyList<string>> None =
        new Dictionary<string, IReadOnlyList<string>>();

    /// <summary>The names of the classes by column; empty where nothing says them.</summary>
    /// <param name="path">The data, as <see cref="DataFile.Read"/> takes it.</param>
    internal static IReadOnlyDictionary<string, IReadOnlyList<string>> Find(string path)
    {
        var file = DataPath.Files(DataPath.Split(path).File)[0];
        if (DataFormats.Of(DataPath.Extension(file)) is { } format)
        {
            using var stream = DataContent.OpenFile(file);
            if (format.ClassNames(stream, file) is { Count: > 0 } own) return own;
        }
        var folder = Path.GetDirectoryName(Path.GetFullPath(file));
        foreach (var place in new[] { folder, Path.GetDirectoryName(folder) }.OfType<string>())
        {
            var (info, card) = (Path.Combine(place, "dataset_info.json"), Path.Combine(place, "README.md"));
            if (File.Exists(info) && ClassNames(File.ReadAllText(info)) is { Count: > 0 } named) return named;
            if (File.Exists(card) && OfCard(File.ReadLines(card)) is { Count: > 0 } listed) return listed;
        }
        return None;
    }

    /// <summary>The names that JSON of the Hub's data sets gives, by column: <c>features</c>, or these within
    /// <c>info</c>.</summary>
    /// <param name="json">The text; anything else gives nothing.</param>
    public static IReadOnlyDictionary<string, IReadOnlyList<string>> ClassNames(string json)
    {
        try
        {
            if (JsonNode.Parse(json) is not JsonObject root) return None;
            if ((root["features"] ?? (root["info"] as JsonObject)?["features"]) is not JsonObject features) return None;
            return features.Select(f => (f.Key, Names: Names(f.Value))).Where(f => f.Names is not null)
                .ToDictionary(f => f.Key, f => f.Names!);
        }
        catch (Exception e) when (e is JsonException or ArgumentException)
        {
            return None; // it speaks of something else
        }
    }

    // {"_type": "ClassLabel", "names": [...]}, or a sequence of that.
    private static IReadOnlyList<string>? Names(JsonNode? feature) => feature switch
    {
        JsonArray { Count: 1 } list => Names(list[0]),
        JsonObject { } f when f["names"] is JsonArray names => [.. names.Select(n => n?.ToString() ?? "")],
        JsonObject f => Names(f["feature"]),
        _ => null,
    };

    /// <summary>The names that the front matter of a data set's card lists.</summary>
    internal static IReadOnlyDictionary<string, IReadOnlyList<string>> OfCard(IEnumerable<string> lines)
    {
        var found = new Dictionary<string, IReadOnlyList<string>>();
        var (names, depth, column, isBegun) = ((List<string>?)null, 0, "", false);
        foreach (var line in lines)
        {
            if (line.TrimEnd() == "---")
            {
                if (isBegun) break;
                isBegun = true;
                continue;
            }
            if (!isBegun) break; // no front matter
            var indent = line.Length - line.TrimStart().Length;
            if (names is not null && indent > depth && NameOfClass().Match(line) is { Success: true } name)
            {
                names.Add(name.Groups[1].Value.Trim().Trim('\'', '"'));
                continue;
            }
            names = null;
            if (Column().Match(line) is { Success: true } match) column = match.Groups[1].Value.Trim().Trim('\'', '"');
            if (line.Trim() != "names:" || found.ContainsKey(column)) continue;
            (names, depth) = ([], indent);
            found[column] = names;
        }
        return found;
    }

    [GeneratedRegex(@"^\s*'?""?\d+'?""?\s*:\s*(.+)$")]
    private static partial Regex NameOfClass();

    [GeneratedRegex(@"^\s*-\s*name:\s*(.+)$")]
    private static partial Regex Column();
}
