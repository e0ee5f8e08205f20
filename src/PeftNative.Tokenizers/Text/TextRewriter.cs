namespace PeftNative.Tokenizers.Text;

/// <summary>
/// Writes a changed copy of one part of a text and keeps the alignment with the original: a replaced character takes
/// over the range of the one it replaces, an inserted one shares the range of the character before it. These are the
/// rules of the tokenizers library.
/// </summary>
internal ref struct TextRewriter
{
    private readonly AlignedText source, target;
    private readonly int start, end;
    private int position;

    /// <summary>Starts at the beginning of a part of the source.</summary>
    public TextRewriter(AlignedText source, int start, int length, AlignedText target)
    {
        this.source = source;
        this.target = target;
        this.start = position = start;
        end = start + length;
    }

    /// <summary>
    /// Writes a code point: change 0 replaces the next one, -n also drops the n that follow it, above 0 inserts.
    /// </summary>
    public void Write(int codePoint, int change)
    {
        if (change > 0)
        {
            Insert(codePoint);
            return;
        }
        Replace(codePoint);
        Skip(-change);
    }

    /// <summary>Puts a code point in the place of the next one of the source.</summary>
    public void Replace(int codePoint)
    {
        // Past the end only after a deletion the rules above cannot express; the last character's range is the sane
        // choice.
        var at = Math.Min(position, end - 1);
        target.Add(codePoint, source.StartOf(at), source.EndOf(at));
        Skip(1);
    }

    /// <summary>Inserts a code point.</summary>
    public void Insert(int codePoint)
    {
        var origin = source.StartOf(start);
        if (position == start) target.Add(codePoint, origin, origin);
        else target.Add(codePoint, source.StartOf(position - 1), source.EndOf(position - 1));
    }

    /// <summary>Drops code points of the source.</summary>
    public void Skip(int count)
    {
        for (; count > 0 && position < end; count--)
        {
            source.CodePointAt(position, out var units);
            position += units;
        }
    }

    /// <summary>Drops code units of the source up to a position.</summary>
    public void SkipTo(int sourcePosition) => position = sourcePosition;

    /// <summary>Copies the source unchanged up to a position.</summary>
    public void CopyTo(int sourcePosition)
    {
        target.Add(source, position, sourcePosition - position);
        position = sourcePosition;
    }
}
