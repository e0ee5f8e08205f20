using PeftNative.Tokenizers.Text;

namespace PeftNative.Tokenizers.Normalizers;

/// <summary>A step that changes characters before the text is cut into words.</summary>
internal abstract class Normalizer
{
    /// <summary>Writes the changed form of a part of the source to the target.</summary>
    /// <returns>False where nothing changes; then nothing was written.</returns>
    public abstract bool Apply(AlignedText source, int start, int length, AlignedText target);
}

/// <summary>Runs a chain of normalizers over one part of a text.</summary>
internal sealed class NormalizerChain(IEnumerable<Normalizer> normalizers)
{
    private readonly Normalizer[] steps = [.. normalizers];
    [ThreadStatic] private static (AlignedText First, AlignedText Second)? scratch;

    /// <summary>
    /// Appends the normalized form of an original text, which begins at an offset of the whole, to a target.
    /// </summary>
    public void Apply(ReadOnlySpan<char> original, int offset, AlignedText target)
    {
        var (current, next) = scratch ??= (new AlignedText(), new AlignedText());
        current.Truncate();
        current.AddOriginal(original, offset);
        foreach (var step in steps)
        {
            next.Truncate();
            if (step.Apply(current, 0, current.Length, next)) (current, next) = (next, current);
        }
        target.Add(current, 0, current.Length);
    }

    /// <summary>The normalized form of a text.</summary>
    public string Apply(string text)
    {
        var target = new AlignedText();
        Apply(text, 0, target);
        return target.Chars.ToString();
    }
}
