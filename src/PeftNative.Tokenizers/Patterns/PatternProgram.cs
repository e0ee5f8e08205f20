namespace PeftNative.Tokenizers.Patterns;

/// <summary>What an instruction does.</summary>
internal enum PatternOp { One, Loop, Split, Jump, Match, Look, Atomic, Anchor, Mark, Progress }

/// <summary>
/// One instruction. One: a character of Set. Loop: Min to Max characters of Set. Split: go on at X, and at Y if that
/// fails. Jump: go on at X. Look and Atomic: the body follows and ends with Match; go on at X. Mark: remember the
/// position in register X. Progress: fail where nothing was taken since Mark.
/// </summary>
internal readonly record struct PatternInstruction(
    PatternOp Op, int X = 0, int Y = 0, CharSet? Set = null, RepeatMode Mode = RepeatMode.Greedy,
        bool Negative = false, int Back = 0);

/// <summary>Compiles a parsed pattern into instructions.</summary>
internal sealed class PatternProgram
{
    private const int MaxInstructions = 20_000;
    private readonly List<PatternInstruction> code = [];

    private PatternProgram() { }

    /// <summary>The instructions of a pattern.</summary>
    public static (PatternInstruction[] Code, int Registers) Compile(PatternNode node)
    {
        var program = new PatternProgram();
        program.Emit(node);
        program.Add(new(PatternOp.Match));
        return ([.. program.code], program.registers);
    }

    private int registers;

    private int Add(PatternInstruction instruction)
    {
        if (code.Count >= MaxInstructions) throw new ModelFormatException("A regular expression is too large.");
        code.Add(instruction);
        return code.Count - 1;
    }

    private void Emit(PatternNode node)
    {
        switch (node)
        {
            case PatternNode.One one: Add(new(PatternOp.One, Set: one.Set)); break;
            case PatternNode.Concat concat: foreach (var part in concat.Parts) Emit(part); break;
            case PatternNode.Choice choice: EmitChoice(choice.Parts); break;
            case PatternNode.Repeat { Body: PatternNode.One one } repeat:
                Add(new(PatternOp.Loop, repeat.Min, repeat.Max, one.Set, repeat.Mode));
                break;
            case PatternNode.Repeat { Mode: RepeatMode.Possessive } repeat:
                Emit(new PatternNode.Atomic(repeat with { Mode = RepeatMode.Greedy }));
                break;
            case PatternNode.Repeat repeat: EmitRepeat(repeat); break;
            case PatternNode.Look look: EmitBody(look.Body,
                new(PatternOp.Look, Negative: look.Negative, Back: look.Behind ? Width(look.Body) : -1)); break;
            case PatternNode.Atomic atomic: EmitBody(atomic.Body, new(PatternOp.Atomic)); break;
            case PatternNode.Anchor anchor: Add(new(PatternOp.Anchor, (int)anchor.Kind)); break;
        }
    }

    private void EmitBody(PatternNode body, PatternInstruction head)
    {
        var at = Add(head);
        Emit(body);
        Add(new(PatternOp.Match));
        code[at] = head with { X = code.Count };
    }

    private void EmitChoice(IReadOnlyList<PatternNode> parts)
    {
        var jumps = new List<int>();
        for (var i = 0; i < parts.Count; i++)
        {
            var split = i < parts.Count - 1 ? Add(default) : -1;
            Emit(parts[i]);
            if (split < 0) break;
            jumps.Add(Add(default));
            code[split] = new(PatternOp.Split, split + 1, code.Count);
        }
        foreach (var jump in jumps) code[jump] = new(PatternOp.Jump, code.Count);
    }

    private void EmitRepeat(PatternNode.Repeat repeat)
    {
        for (var i = 0; i < repeat.Min; i++) Emit(repeat.Body);
        if (repeat.Max < 0)
        {
            var register = registers++;
            var split = Add(default);
            Add(new(PatternOp.Mark, register));
            Emit(repeat.Body);
            Add(new(PatternOp.Progress, register));
            Add(new(PatternOp.Jump, split));
            code[split] = Fork(split + 1, code.Count, repeat.Mode);
            return;
        }
        var splits = new List<int>();
        for (var i = repeat.Min; i < repeat.Max; i++)
        {
            splits.Add(Add(default));
            Emit(repeat.Body);
        }
        foreach (var split in splits) code[split] = Fork(split + 1, code.Count, repeat.Mode);
    }

    private static PatternInstruction Fork(int body, int after, RepeatMode mode) =>
        mode == RepeatMode.Lazy ? new(PatternOp.Split, after, body) : new(PatternOp.Split, body, after);

    /// <summary>The number of characters a look-behind takes; it must be fixed.</summary>
    private static int Width(PatternNode node) => node switch
    {
        PatternNode.One => 1,
        PatternNode.Concat concat => concat.Parts.Sum(Width),
        PatternNode.Choice choice when choice.Parts.Select(Width).Distinct().Count() == 1 => Width(choice.Parts[0]),
        PatternNode.Repeat repeat when repeat.Min == repeat.Max => repeat.Min * Width(repeat.Body),
        PatternNode.Atomic atomic => Width(atomic.Body),
        PatternNode.Look or PatternNode.Anchor => 0,
        _ => throw new ModelFormatException(
            "A look-behind in a regular expression has no fixed width, which is not supported."),
    };
}
