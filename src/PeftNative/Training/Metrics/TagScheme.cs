namespace PeftNative.Training.Metrics;

/// <summary>
/// The ways to mark entities word by word, taken strictly, as seqeval's strict mode has it: a tag that the scheme does
/// not allow there is no part of an entity. Pure functions.
/// </summary>
public static class TagScheme
{
    /// <summary>The schemes by name.</summary>
    public static IReadOnlyList<string> Names { get; } = ["IOB1", "IOB2", "IOE1", "IOE2", "IOBES", "BILOU"];

    /// <summary>The entities of a text: type, first and last word.</summary>
    /// <param name="tags">A tag for each word.</param>
    /// <param name="scheme">One of <see cref="Names"/>.</param>
    /// <exception cref="UsageException">There is no such scheme.</exception>
    public static IReadOnlyList<(string Type, int First, int Last)> Entities(IReadOnlyList<string> tags, string scheme)
    {
        if (!Names.Contains(scheme))
            throw new UsageException($"There is no tag scheme '{scheme}'.",
                remedy: $"There are: {string.Join(", ", Names)}.");
        // BILOU has other letters for the last word and for one alone.
        var split = tags.Select(Split).Select(t => scheme == "BILOU"
            ? (t.Kind switch { 'L' => 'E', 'U' => 'S', _ => t.Kind }, t.Type) : t).ToList();
        return scheme switch
        {
            "IOB1" or "IOB2" => [.. FromBegins(split, needsBegin: scheme == "IOB2")],
            "IOE1" or "IOE2" => [.. FromEnds(split, needsEnd: scheme == "IOE2")],
            _ => [.. FromBoth(split)],
        };
    }

    // A run of one type; with needsBegin only a B opens it, else B only splits runs of one type.
    private static IEnumerable<(string, int, int)> FromBegins(List<(char Kind, string Type)> tags, bool needsBegin)
    {
        for (int i = 0, next; i < tags.Count; i = next)
        {
            next = i + 1;
            var (kind, type) = tags[i];
            var follows = i > 0 && tags[i - 1].Kind != 'O' && tags[i - 1].Type == type;
            if (kind is not ('B' or 'I') || (needsBegin ? kind != 'B' : kind == 'B' && !follows)) continue;
            while (next < tags.Count && tags[next] == ('I', type)) next++;
            yield return (type, i, next - 1);
        }
    }

    private static IEnumerable<(string, int, int)> FromEnds(List<(char Kind, string Type)> tags, bool needsEnd)
    {
        for (int i = 0, next; i < tags.Count; i = next)
        {
            next = i + 1;
            var type = tags[i].Type;
            // One word alone is E where ends are always marked, and I where only ends before a neighbour are.
            if (tags[i].Kind != 'I' && !(needsEnd && tags[i].Kind == 'E')) continue;
            var last = i;
            while (tags[last].Kind == 'I' && GoesOn(tags, last + 1, type)) last++;
            next = last + 1;
            var isFollowed = GoesOn(tags, next, type);
            if (needsEnd ? tags[last].Kind == 'E' : tags[last].Kind == 'I' || isFollowed) yield return (type, i, last);
        }
    }

    private static bool GoesOn(List<(char Kind, string Type)> tags, int at, string type) =>
        at < tags.Count && tags[at].Kind is 'I' or 'E' && tags[at].Type == type;

    private static IEnumerable<(string, int, int)> FromBoth(List<(char Kind, string Type)> tags)
    {
        for (int i = 0, next; i < tags.Count; i = next)
        {
            next = i + 1;
            if (tags[i].Kind == 'S') yield return (tags[i].Type, i, i);
            if (tags[i].Kind != 'B') continue;
            while (next < tags.Count && tags[next] == ('I', tags[i].Type)) next++;
            if (next < tags.Count && tags[next] == ('E', tags[i].Type)) yield return (tags[i].Type, i, next++);
        }
    }

    private static (char Kind, string Type) Split(string tag) =>
        tag is [var kind, '-', ..] ? (kind, tag[2..]) : ('O', "");
}
