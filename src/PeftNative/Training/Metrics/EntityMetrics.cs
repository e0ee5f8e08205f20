namespace PeftNative.Training.Metrics;

/// <summary>
/// Precision, recall and F1 of whole entities in tagged texts, as seqeval computes them in its default (lenient) mode,
/// which follows the CoNLL-2000 evaluation script: tags are <c>O</c> or B, I, E, S with a type after a dash; an I after
/// O or after another type begins an entity too, and a tag without such a prefix is taken as I with the whole tag as
/// its type. An entity is right where type, first and last word all agree. Not thread-safe while adding.
/// </summary>
public sealed class EntityMetrics
{
    private long _hits, _labelled, _predicted;

    /// <summary>Whether tags have prefixes; plain ones are scored by <see cref="PlainTags"/>.</summary>
    public static bool HasPrefixes(IEnumerable<string> tags) =>
        tags.Any(t => t is [_, '-', _, ..] && "BIESLUM".Contains(t[0], StringComparison.Ordinal));

    /// <summary>Adds one text: its true tags and the predicted ones, one per word.</summary>
    public void Add(IReadOnlyList<string> labels, IReadOnlyList<string> predictions)
    {
        if (labels.Count != predictions.Count) throw new ArgumentException("There must be one prediction per label.");
        var expected = Entities([.. labels.Select(Usual)]).ToHashSet();
        var found = Entities([.. predictions.Select(Usual)]).ToList();
        _labelled += expected.Count;
        _predicted += found.Count;
        _hits += found.Count(expected.Contains);
    }

    /// <summary>Share of the predicted entities that are right; 0 without any.</summary>
    public double Precision => ConfusionMatrix.Ratio(_hits, _predicted);

    /// <summary>Share of the true entities that are found; 0 without any.</summary>
    public double Recall => ConfusionMatrix.Ratio(_hits, _labelled);

    /// <summary>The harmonic mean of the two.</summary>
    public double F1 => ConfusionMatrix.Ratio(2 * _hits, _labelled + _predicted);

    // seqeval's lenient mode does not know L and U, which are E and S in BILOU.
    private static string Usual(string tag) => tag switch
    {
        ['L', '-', .. var type] => $"E-{type}",
        ['U', '-', .. var type] => $"S-{type}",
        _ => tag,
    };

    /// <summary>The entities of a text exactly as seqeval has them: type, first and last word.</summary>
    internal static IEnumerable<(string Type, int First, int Last)> Entities(IReadOnlyList<string> tags)
    {
        var previous = ('O', Type: "");
        var first = 0;
        for (var i = 0; i <= tags.Count; i++)
        {
            var current = i < tags.Count ? Split(tags[i]) : ('O', "");
            if (Ends(previous, current)) yield return (previous.Type, first, i - 1);
            if (Starts(previous, current)) first = i;
            previous = current;
        }
    }

    private static bool Ends((char Kind, string Type) previous, (char Kind, string Type) current) =>
        previous.Kind is 'E' or 'S' || (previous.Kind is 'B' or 'I' && current.Kind is 'B' or 'S' or 'O')
            || (previous.Kind != 'O' && previous.Type != current.Type);

    private static bool Starts((char Kind, string Type) previous, (char Kind, string Type) current) =>
        current.Kind is 'B' or 'S' || (previous.Kind is 'E' or 'S' or 'O' && current.Kind is 'E' or 'I')
            || (current.Kind != 'O' && previous.Type != current.Type);

    private static (char Kind, string Type) Split(string tag) => tag switch
    {
        "" or "O" => ('O', ""),
        _ when tag.Length == 1 => (tag[0], "_"),
        _ when tag[1] == '-' => (tag[0], tag[2..]),
        _ => ('I', tag),
    };
}
