namespace PeftNative.Tokenizers.Templates;

/// <summary>One piece of a template: special tokens, or the first (Source 0) or second (1) text.</summary>
internal sealed record TemplatePiece(int Source, byte TypeId, int[] Ids);

/// <summary>What stands around one text or a pair.</summary>
internal sealed class Template(TemplatePiece[] single, TemplatePiece[] pair)
{
    /// <summary>Nothing around the texts; types 0 and 1.</summary>
    public static Template Plain { get; } = new([new(0, 0, [])], [new(0, 0, []), new(1, 1, [])]);

    /// <summary>The pieces for one text or for a pair.</summary>
    public TemplatePiece[] Pieces(bool isPair) => isPair ? pair : single;

    /// <summary>How many tokens the template adds.</summary>
    public int Added(bool isPair) => Pieces(isPair).Where(p => p.Source < 0).Sum(p => p.Ids.Length);

    /// <summary>
    /// begin A end, and for pairs begin A end begin B end with type 1 from the second begin on; null: nothing there.
    /// </summary>
    public static Template BeginAndEnd(int? begin, int? end)
    {
        TemplatePiece[] Text(int source, byte type) =>
            [new(-1, type, begin is { } b ? [b] : []), new(source, type, []), new(-1, type, end is { } e ? [e] : [])];
        return new(Text(0, 0), [.. Text(0, 0), .. Text(1, 1)]);
    }

    /// <summary>cls A sep, and for pairs cls A sep B sep (BERT) or cls A sep sep B sep (RoBERTa).</summary>
    public static Template Around(int cls, int sep, byte secondType, int separators)
    {
        var between = Enumerable.Repeat(sep, separators).ToArray();
        return new(
            [new(-1, 0, [cls]), new(0, 0, []), new(-1, 0, [sep])],
            [new(-1, 0, [cls]), new(0, 0, []), new(-1, 0, between), new(1, secondType, []),
                new(-1, secondType, [sep])]);
    }
}

/// <summary>What post-processing does: trim white space off the offsets, then the template.</summary>
/// <param name="Template">The template.</param>
/// <param name="Trims">
/// One entry for each time the offsets are trimmed; it says whether the first space of a text may be one that was put
/// in front, and is then not trimmed.
/// </param>
internal sealed record PostProcessing(Template Template, bool[] Trims);
