namespace PeftNative.Tokenizers.Templates;

/// <summary>One piece of a template: special tokens, or the first (Source 0) or second (1) text.</summary>
internal sealed record TemplatePiece(int Source, byte TypeId, int[] Ids);

/// <summary>What stands around one text or a pair.</summary>
internal sealed class Template(IReadOnlyList<TemplatePiece> single, IReadOnlyList<TemplatePiece> pair)
{
    /// <summary>Nothing around the texts; types 0 and 1.</summary>
    public static Template Plain { get; } = new([new(0, 0, [])], [new(0, 0, []), new(1, 1, [])]);

    /// <summary>The pieces for one text or for a pair.</summary>
    public IReadOnlyList<TemplatePiece> Pieces(bool isPair) => isPair ? pair : single;

    /// <summary>How many tokens the template adds.</summary>
    public int Added(bool isPair) => Pieces(isPair).Where(p => p.Source < 0).Sum(p => p.Ids.Length);

    /// <summary>Whether any piece has a type other than 0.</summary>
    public bool HasTypes => pair.Any(p => p.TypeId != 0);
}

/// <summary>What post-processing does: trim white space off the offsets, then the template.</summary>
/// <param name="Template">The template.</param>
/// <param name="Trims">
/// One entry for each time the offsets are trimmed; it says whether the first space of a text may be one that was put in front, and is
/// then not trimmed.
/// </param>
internal sealed record PostProcessing(Template Template, IReadOnlyList<bool> Trims);
