using System.Text.Json.Nodes;

namespace PeftNative.Data.Reading;

/// <summary>
/// CoNLL: a word on each line with its columns, the first the word itself, the last its tag; an empty line ends a
/// sentence. Lines that begin with <c>-DOCSTART-</c> and comments (<c># ...</c>) are left out.
/// </summary>
internal static class ConllReader
{
    public static IEnumerable<RawRecord> Read(Stream stream, string path, ICollection<DataException>? badLines)
    {
        var lines = new LineReader(stream, path);
        var (tokens, tags) = (new JsonArray(), new JsonArray());
        var origin = new RecordOrigin(path, 1);
        DataException? bad = null;
        for (var more = true; more;)
        {
            more = lines.Next();
            var line = more ? lines.Text().Trim() : "";
            if (line.Length > 0)
            {
                if (IsBesideWords(line, isFirst: tokens.Count == 0)) continue;
                if (tokens.Count == 0) origin = lines.Origin;
                var columns = line.Contains('\t') ? line.Split('\t')
                    : line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
                if (columns.Length < 2) bad ??= OneColumn(lines.Origin, line);
                tokens.Add((JsonNode)columns[0].Trim());
                tags.Add((JsonNode)columns[^1].Trim());
                continue;
            }
            if (tokens.Count == 0) continue;
            var fields = new JsonObject { ["tokens"] = tokens, ["tags"] = tags };
            (tokens, tags) = ([], []);
            if (bad is null) yield return new RawRecord(fields, origin);
            else if (badLines is null) throw bad;
            else badLines.Add(bad);
            bad = null;
        }
    }

    // A comment stands before a sentence, and has no tag at its end.
    private static bool IsBesideWords(string line, bool isFirst) =>
        line.StartsWith("-DOCSTART-", StringComparison.Ordinal)
        || isFirst && line.StartsWith("# ", StringComparison.Ordinal) && !IsTag(line[(line.LastIndexOf(' ') + 1)..]);

    private static bool IsTag(string text) => text is "O" or ['B' or 'I' or 'E' or 'S' or 'L' or 'U', '-', ..];

    private static DataException OneColumn(RecordOrigin origin, string line) =>
        new($"The line has one column, and needs a word and its tag: {Excerpt.Of(line)}", origin.ToString(),
            "Write the word first and its tag last, with a space or a tab between them.");
}
