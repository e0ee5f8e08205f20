namespace PeftNative.Jinja;

/// <summary>What a rendering gave.</summary>
/// <param name="Text">The text.</param>
/// <param name="GenerationSpans">
/// Start and end (exclusive) of what stood in <c>{% generation %}</c> blocks, in UTF-16 code units of the text.
/// </param>
public sealed record RenderedTemplate(string Text, IReadOnlyList<(int Start, int End)> GenerationSpans);
