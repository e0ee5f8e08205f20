namespace PeftNative.Jinja;

/// <summary>
/// What one template may use. A template is a program that came from somewhere, so none of its loops, strings or nested
/// calls is trusted. The defaults leave real templates a wide margin; passing one is a <see cref="JinjaException"/> of
/// the kind <see cref="JinjaError.Limit"/>.
/// </summary>
/// <param name="TemplateLength">The longest template that is parsed, in UTF-16 code units.</param>
/// <param name="Nesting">How deep blocks and brackets may nest in the template.</param>
/// <param name="Steps">
/// How many evaluation steps a rendering may take: one for each expression, statement and item of a loop, more where an
/// operation reads long text.
/// </param>
/// <param name="Output">The longest text a rendering may give, in UTF-16 code units.</param>
/// <param name="Memory">
/// How many UTF-16 code units of text a rendering may create in all, what it throws away included; an item of a list
/// counts as 64. To this and to <paramref name="Steps"/>, 64 are added for each code unit of the variables.
/// </param>
/// <param name="Depth">
/// How deep evaluation may nest: expressions, macro calls, recursive loops, and data inside data.
/// </param>
/// <param name="RangeLength">The most numbers <c>range</c> may give; the reference's own limit.</param>
/// <param name="IntegerBits">The size of the largest whole number.</param>
public sealed record JinjaLimits(
    int TemplateLength = 1 << 20,
    int Nesting = 100,
    long Steps = 10_000_000,
    int Output = 32 << 20,
    long Memory = 64 << 20,
    int Depth = 600,
    int RangeLength = 100_000,
    int IntegerBits = 8192)
{
    /// <summary>The limits used where none are given.</summary>
    public static JinjaLimits Default { get; } = new();
}
