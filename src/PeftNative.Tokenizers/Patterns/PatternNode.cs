namespace PeftNative.Tokenizers.Patterns;

/// <summary>A part of a parsed regular expression.</summary>
internal abstract record PatternNode
{
    /// <summary>One character of a class.</summary>
    public sealed record One(CharSet Set) : PatternNode;

    /// <summary>Parts one after the other.</summary>
    public sealed record Concat(IReadOnlyList<PatternNode> Parts) : PatternNode;

    /// <summary>The first part that leads to a match.</summary>
    public sealed record Choice(IReadOnlyList<PatternNode> Parts) : PatternNode;

    /// <summary>A part repeated; Max -1: without limit.</summary>
    public sealed record Repeat(PatternNode Body, int Min, int Max, RepeatMode Mode) : PatternNode;

    /// <summary>A position before or after which the body matches, or does not.</summary>
    public sealed record Look(PatternNode Body, bool Behind, bool Negative) : PatternNode;

    /// <summary>A body that is not entered again once it has matched.</summary>
    public sealed record Atomic(PatternNode Body) : PatternNode;

    /// <summary>A position.</summary>
    public sealed record Anchor(AnchorKind Kind) : PatternNode;
}

/// <summary>How a repetition gives back what it took.</summary>
internal enum RepeatMode { Greedy, Lazy, Possessive }

/// <summary>The positions a pattern can ask for. In Oniguruma's Ruby syntax ^ and $ are the ends of a line.</summary>
internal enum AnchorKind { LineStart, LineEnd, TextStart, TextEnd, TextEndOrLastNewline, WordBoundary, NotWordBoundary }
