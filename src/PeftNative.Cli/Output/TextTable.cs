namespace PeftNative.Cli.Output;

/// <summary>Lines up columns; columns of numbers to the right.</summary>
internal sealed class TextTable(params string[] headings)
{
    private readonly List<string[]> rows = [headings];

    /// <summary>Adds a row, a text per heading.</summary>
    public void Add(params string[] cells) => rows.Add(cells);

    /// <summary>The lines, headings first.</summary>
    public IEnumerable<string> Lines()
    {
        var widths = Enumerable.Range(0, headings.Length).Select(c => rows.Max(r => r[c].Length)).ToArray();
        var isNumeric = Enumerable.Range(0, headings.Length)
            .Select(c => rows.Count > 1 && rows.Skip(1).All(r => IsNumber(r[c]))).ToArray();
        foreach (var row in rows)
            yield return string.Join("  ",
                row.Select((cell, c) => isNumeric[c] ? cell.PadLeft(widths[c]) : cell.PadRight(widths[c]))).TrimEnd();
    }

    private static bool IsNumber(string cell) => cell.Length == 0 || cell is "-" or "NaN"
        || char.IsDigit(cell[^1]) && !char.IsLetter(cell[0]);
}
