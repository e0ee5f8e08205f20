using PeftNative.Tokenizers.Text;

namespace PeftNative.Tokenizers.Patterns;

/// <summary>
/// Matches a regular expression by backtracking over Unicode code points. The number of steps is limited in proportion
/// to the length of the text, so that a hostile pattern ends in an error instead of running for years.
/// </summary>
internal sealed class RegexPattern : SplitPattern
{
    private const long StepsPerCharacter = 2_000, StepsAtLeast = 200_000;
    private readonly PatternInstruction[] code;
    private readonly int registers;
    private readonly string pattern;

    [ThreadStatic] private static Frame[]? stack;
    [ThreadStatic] private static long spent; // steps since the search began at the start of a text

    /// <summary>Compiles a pattern.</summary>
    /// <exception cref="ModelFormatException">The pattern cannot be read.</exception>
    public RegexPattern(string pattern)
    {
        this.pattern = pattern;
        (code, registers) = PatternProgram.Compile(PatternParser.Parse(pattern));
    }

    /// <summary>
    /// A point to go back to. Min: -1 for a plain one, -2 for a register to restore, else the least end of a loop.
    /// </summary>
    private record struct Frame(int Pc, int Position, int Min);

    /// <inheritdoc/>
    public override bool Next(ReadOnlySpan<char> text, int from, out int start, out int end)
    {
        var budget = StepsAtLeast + (StepsPerCharacter * text.Length);
        if (from == 0) spent = 0;
        var steps = budget - spent;
        Span<int> marks = stackalloc int[Math.Min(registers, 64)];
        if (registers > marks.Length) marks = new int[registers];
        for (start = from; start <= text.Length; start = NextStart(text, start))
        {
            end = Run(text, 0, start, marks, 0, ref steps);
            if (end >= 0)
            {
                spent = budget - steps;
                return true;
            }
        }
        end = start;
        return false;
    }

    /// <summary>
    /// Where to try after a place without a match. A pattern that begins with x+ and found none from the start of a run
    /// of x finds none from inside the run either, since it tried every end of it: this keeps \s+$ linear.
    /// </summary>
    private int NextStart(ReadOnlySpan<char> text, int start)
    {
        var skipsRun = code[0] is { Op: PatternOp.Loop, X: 1, Y: < 0, Mode: RepeatMode.Greedy };
        do
        {
            if (start == text.Length) return start + 1;
            var c = AlignedText.CodePoint(text, start, out var units);
            start += units;
            if (skipsRun) skipsRun = code[0].Set!.Contains(c);
        }
        while (skipsRun && start < text.Length && code[0].Set!.Contains(AlignedText.CodePoint(text, start, out _)));
        return start;
    }

    /// <summary>Runs the program from an instruction; the result is the end of the match or -1.</summary>
    private int Run(ReadOnlySpan<char> text, int pc, int position, Span<int> marks, int stackBase, ref long steps)
    {
        var depth = stackBase;
        while (true)
        {
            if (--steps < 0) throw TooManySteps();
            ref readonly var instruction = ref code[pc];
            bool ok;
            switch (instruction.Op)
            {
                case PatternOp.Match:
                    return position;
                case PatternOp.One:
                    ok = position < text.Length
                        && instruction.Set!.Contains(AlignedText.CodePoint(text, position, out var units))
                        && (position += units) > 0;
                    pc++;
                    break;
                case PatternOp.Loop:
                    ok = Loop(text, instruction, pc, ref position, ref depth, ref steps);
                    pc++;
                    break;
                case PatternOp.Split:
                    Push(ref depth, new(instruction.Y, position, -1));
                    pc = instruction.X;
                    ok = true;
                    break;
                case PatternOp.Jump:
                    pc = instruction.X;
                    ok = true;
                    break;
                case PatternOp.Look:
                    ok = LookAround(text, instruction, pc, position, marks, depth, ref steps) != instruction.Negative;
                    pc = instruction.X;
                    break;
                case PatternOp.Atomic:
                    var after = Run(text, pc + 1, position, marks, depth, ref steps);
                    ok = after >= 0;
                    if (ok) position = after;
                    pc = instruction.X;
                    break;
                case PatternOp.Anchor:
                    ok = IsAt(text, position, (AnchorKind)instruction.X);
                    pc++;
                    break;
                case PatternOp.Mark:
                    Push(ref depth, new(instruction.X, marks[instruction.X], -2));
                    marks[instruction.X] = position;
                    pc++;
                    ok = true;
                    break;
                default:
                    ok = marks[instruction.X] != position;
                    pc++;
                    break;
            }
            if (!ok && !Backtrack(text, marks, stackBase, ref depth, ref pc, ref position)) return -1;
        }
    }

    private bool Loop(
        ReadOnlySpan<char> text, in PatternInstruction loop, int pc, ref int position, ref int depth, ref long steps)
    {
        var set = loop.Set!;
        int least = position, count = 0;
        var want = loop.Mode == RepeatMode.Lazy ? loop.X : loop.Y < 0 ? int.MaxValue : loop.Y;
        while (count < want && position < text.Length
            && set.Contains(AlignedText.CodePoint(text, position, out var units)))
        {
            position += units;
            if (++count == loop.X) least = position;
        }
        steps -= count;
        if (count < loop.X) return false;
        if (loop.Mode == RepeatMode.Lazy) PushLazy(loop, pc, position, count, ref depth);
        else if (loop.Mode == RepeatMode.Greedy && position > least) Push(ref depth, new(pc + 1, position, least));
        return true;
    }

    // A lazy loop that fails takes one more: the count so far is kept in Min below the plain marks.
    private void PushLazy(in PatternInstruction loop, int pc, int position, int count, ref int depth)
    {
        if (loop.Y < 0 || count < loop.Y) Push(ref depth, new(pc, position, -3 - count));
    }

    private bool Backtrack(
        ReadOnlySpan<char> text, Span<int> marks, int stackBase, ref int depth, ref int pc, ref int position)
    {
        while (depth > stackBase)
        {
            ref var frame = ref stack![depth - 1];
            if (frame.Min == -2)
            {
                marks[frame.Pc] = frame.Position;
                depth--;
                continue;
            }
            if (frame.Min >= 0)
            {
                AlignedText.CodePointBefore(text, frame.Position, out var units);
                (pc, position) = (frame.Pc, frame.Position -= units);
                if (position <= frame.Min) depth--;
                return true;
            }
            (pc, position) = (frame.Pc, frame.Position);
            var min = frame.Min;
            depth--;
            if (min == -1) return true;
            if (TakeOneMore(text, -3 - min, ref pc, ref position, ref depth)) return true;
        }
        return false;
    }

    private bool TakeOneMore(ReadOnlySpan<char> text, int count, ref int pc, ref int position, ref int depth)
    {
        if (position >= text.Length || !code[pc].Set!.Contains(AlignedText.CodePoint(text, position, out var units)))
            return false;
        position += units;
        PushLazy(code[pc], pc, position, count + 1, ref depth);
        pc++;
        return true;
    }

    private bool LookAround(
        ReadOnlySpan<char> text, in PatternInstruction look, int pc, int position, Span<int> marks, int depth,
            ref long steps)
    {
        var at = position;
        for (var back = look.Back; back > 0; back--)
        {
            if (at == 0) return false;
            AlignedText.CodePointBefore(text, at, out var units);
            at -= units;
        }
        return Run(text, pc + 1, at, marks, depth, ref steps) >= 0;
    }

    private static bool IsAt(ReadOnlySpan<char> text, int position, AnchorKind kind) => kind switch
    {
        AnchorKind.LineStart => position == 0 || (text[position - 1] == '\n' && position < text.Length),
        AnchorKind.LineEnd => position == text.Length || text[position] == '\n',
        AnchorKind.TextStart => position == 0,
        AnchorKind.TextEnd => position == text.Length,
        AnchorKind.TextEndOrLastNewline =>
            position == text.Length || (position == text.Length - 1 && text[position] == '\n'),
        AnchorKind.WordBoundary => IsWordBoundary(text, position),
        _ => !IsWordBoundary(text, position),
    };

    private static bool IsWordBoundary(ReadOnlySpan<char> text, int position)
    {
        var before = position > 0 && UnicodeTables.IsRegexWord(AlignedText.CodePointBefore(text, position, out _));
        var after = position < text.Length && UnicodeTables.IsRegexWord(AlignedText.CodePoint(text, position, out _));
        return before != after;
    }

    private void Push(ref int depth, Frame frame)
    {
        stack ??= new Frame[256];
        if (depth == stack.Length)
        {
            if (depth >= 16_000_000) throw TooManySteps();
            Array.Resize(ref stack, depth * 2);
        }
        stack[depth++] = frame;
    }

    private ModelFormatException TooManySteps() => new(
        "A regular expression of the tokenizer takes too many steps on this text.",
        pattern.Length > 200 ? pattern[..200] + "…" : pattern,
        "It backtracks without end; the tokenizer.json is broken or hostile.");
}
