using PeftNative.Jinja.Formatting;

namespace PeftNative.Jinja.Library;

/// <summary>
/// The <c>wordwrap</c> filter: each line of a text broken where it is too long, as Python's textwrap does.
/// </summary>
internal static class WordWrap
{
    public static string Apply(string text, int width, bool breakLong, string newLine, bool onHyphens, Budget budget)
    {
        if (width <= 0) throw new JinjaException($"invalid width {width} (must be > 0)");
        var lines = PythonText.SplitLines(text)
            .Select(line => StringTools.Join(newLine, Wrap(Chunks(line, onHyphens), width, breakLong, budget), budget));
        return StringTools.Join(newLine, lines, budget);
    }

    private static List<string> Wrap(List<string> chunks, int width, bool breakLong, Budget budget)
    {
        List<string> lines = [];
        // How much of the chunk in hand is already on a line: a long word is cut into several.
        var (next, cut) = (0, 0);
        while (next < chunks.Count)
        {
            budget.Items(1);
            if (lines.Count > 0 && cut == 0 && IsSpace(chunks[next])) next++;
            List<string> line = [];
            var length = 0;
            for (; next < chunks.Count && length + chunks[next].Length - cut <= width; cut = 0)
            {
                line.Add(chunks[next++][cut..]);
                length += line[^1].Length;
            }

            if (next < chunks.Count && chunks[next].Length - cut > width && (breakLong || line.Count == 0))
            {
                var room = breakLong ? Math.Max(width - length, length == 0 ? 1 : 0) : chunks[next].Length;
                line.Add(chunks[next].Substring(cut, room));
                cut += room;
                if (cut == chunks[next].Length) (next, cut) = (next + 1, 0);
            }

            if (line.Count > 0 && IsSpace(line[^1])) line.RemoveAt(line.Count - 1);
            if (line.Count > 0) lines.Add(string.Concat(line));
        }

        return lines;
    }

    private static bool IsSpace(string chunk) => PythonText.Trim(chunk).IsEmpty;

    /// <summary>Runs of white space and words; a word also ends after a hyphen between letters.</summary>
    private static List<string> Chunks(string line, bool onHyphens)
    {
        List<string> chunks = [];
        for (var at = 0; at < line.Length;)
        {
            var isSpace = PythonText.IsSpace(line[at]);
            var end = at + 1;
            while (end < line.Length && PythonText.IsSpace(line[end]) == isSpace
                && !(onHyphens && !isSpace && HyphenEnds(line, at, end)))
                end++;
            chunks.Add(line[at..end]);
            at = end;
        }

        return chunks;
    }

    private static bool HyphenEnds(string line, int start, int end) =>
        line[end - 1] == '-' && end - 2 >= start && char.IsLetter(line[end - 2]) && end - 3 >= start
            && char.IsLetterOrDigit(line[end - 3])
        && end + 1 < line.Length && char.IsLetter(line[end]) && char.IsLetter(line[end + 1]);
}
