namespace PeftNative.Data.Records;

/// <summary>
/// Turns an instruction, with or without an input, into a prompt. In the texts, <c>{instruction}</c> and <c>{input}</c>
/// stand for the record's fields.
/// </summary>
/// <param name="WithInput">The prompt of a record that has an input.</param>
/// <param name="WithoutInput">The prompt of a record without one.</param>
public sealed record InstructionTemplate(string WithInput, string WithoutInput)
{
    /// <summary>The default: headed sections in the manner of Alpaca, in words of our own.</summary>
    public static InstructionTemplate Default { get; } = new(
        "Carry out the instruction, using the input.\n\n"
            + "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Answer:\n",
        "Carry out the instruction.\n\n### Instruction:\n{instruction}\n\n### Answer:\n");

    /// <summary>The prompt; an input that is null or empty counts as none.</summary>
    public string Render(string instruction, string? input)
    {
        // Cut at the placeholders first, so that braces in the record's own texts stay as they are.
        var pieces = (string.IsNullOrEmpty(input) ? WithoutInput : WithInput).Split("{instruction}");
        return string.Join(
            instruction, pieces.Select(piece => piece.Replace("{input}", input, StringComparison.Ordinal)));
    }
}
