namespace PeftNative.Data.Reading;

/// <summary>What separates the columns of a file.</summary>
internal static class Delimiter
{
    private static readonly char[] Others = [',', ';', '\t', '|'];

    /// <summary>
    /// The usual delimiter where the first line has it or nothing better is there; otherwise one that the first two
    /// lines have equally often.
    /// </summary>
    public static char Find(DataContent content, char usual)
    {
        using var stream = content.Open();
        var lines = new LineReader(stream, content.Path);
        if (Next(lines) is not { } header || Count(header, usual) > 0) return usual;
        var row = Next(lines);
        return Others.Where(c => Count(header, c) > 0 && (row is null || Count(row, c) == Count(header, c)))
            .DefaultIfEmpty(usual).MaxBy(c => Count(header, c));
    }

    /// <summary>What a delimiter is called.</summary>
    public static string NameOf(char delimiter) =>
        delimiter switch { ',' => "commas", ';' => "semicolons", '\t' => "tabs", _ => $"'{delimiter}'" };

    private static string? Next(LineReader lines)
    {
        while (lines.Next())
        {
            var text = System.Text.Encoding.UTF8.GetString(lines.Line.Span);
            if (!string.IsNullOrWhiteSpace(text)) return text;
        }
        return null;
    }

    private static int Count(string line, char delimiter)
    {
        var (count, isQuoted) = (0, false);
        foreach (var c in line)
        {
            if (c == '"') isQuoted = !isQuoted;
            else if (c == delimiter && !isQuoted) count++;
        }
        return count;
    }
}
