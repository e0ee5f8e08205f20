using System.Globalization;
using PeftNative.Cli.Compare;
using PeftNative.Cli.Output;
using PeftNative.Lab.Comparison;

namespace PeftNative.Cli.Demo;

/// <summary>Tells the demo on the terminal.</summary>
internal static class DemoConsole
{
    private const int Shown = 3, Width = 110, Green = 32, Red = 31, Grey = 90, Bold = 1;

    /// <summary>What is about to happen.</summary>
    public static void Begin(IEnumerable<(string Name, string Text)> facts, Terminal terminal)
    {
        terminal.Line(terminal.Paint("A small language model learns a new task, in six ways", Bold));
        terminal.Line();
        foreach (var (name, text) in facts) Row(terminal, name, text);
        terminal.Line();
    }

    /// <summary>What came of it.</summary>
    public static void End(Findings found, string report, Terminal terminal)
    {
        CompareTable.Print(found.Summary, terminal);
        terminal.Object(found.ToJson());
        ShowAnswers(found, terminal);
        ShowSwapping(found, terminal);
        ShowExam(found, terminal);
        ShowProofs(found, terminal);
        terminal.Line();
        terminal.Line($"Report: {report}");
        terminal.Line("A sentence of your own:");
        terminal.Line("  " + found.Try);
    }

    private static void ShowAnswers(Findings found, Terminal terminal)
    {
        terminal.Line();
        terminal.Line(terminal.Paint(
            $"Sentences of the exam, and what follows them before and after ({found.Shown.Method.Name})", Bold));
        foreach (var (before, after) in found.Choose(Shown))
        {
            terminal.Line();
            terminal.Line($"  {Findings.Sentence(before)}");
            terminal.Line($"    base    {terminal.Paint(Clip(before.Given), Grey)}");
            terminal.Line($"    adapted {terminal.Paint(Clip(after.Given), after.IsExact ? Green : Red)}");
            if (!after.IsExact) terminal.Line($"    right   {after.Wanted}");
        }
    }

    private static void ShowSwapping(Findings found, Terminal terminal)
    {
        var answers = found.SameSentence.ToList();
        terminal.Line();
        terminal.Line(terminal.Paint("One sentence, one base, three adapters", Bold));
        terminal.Line();
        terminal.Line($"  {Findings.Sentence(answers[0].Answer)}");
        foreach (var (task, answer) in answers)
            terminal.Line($"    {task,-8}{terminal.Paint(Clip(answer.Given), answer.IsExact ? Green : Red)}");
    }

    private static void ShowExam(Findings found, Terminal terminal)
    {
        var total = found.Before.Count;
        terminal.Line();
        terminal.Line(terminal.Paint($"Records right to the character, of {total}", Bold));
        terminal.Line();
        Row(terminal, "before", $"{Bar(found.Before.Count(a => a.IsExact), total)}   {Tokens(found, null)}");
        foreach (var method in found.Summary.Methods)
            Row(terminal, method.Method.Name,
                $"{Bar(found.AnswersOf(method).Count(a => a.IsExact), total)}   {Tokens(found, method)}; "
                + $"{Quantity.Bytes(method.StoredBytes),8} beside a base of "
                + $"{Quantity.Bytes(found.Summary.Facts.ModelBytes)}");
        terminal.Line();
        Row(terminal, "together", Quantity.Time(found.Seconds));
    }

    private static string Tokens(Findings found, MethodSummary? method) =>
        $"{(100 * found.TokensRight(method)).ToString("0", CultureInfo.InvariantCulture),3} % of the tokens";

    private static string Bar(int count, int total)
    {
        const int width = 20;
        var full = (int)Math.Round((double)width * count / total);
        return $"{new string('█', full)}{new string('░', width - full)} {count,3}";
    }

    private static void ShowProofs(Findings found, Terminal terminal)
    {
        var name = "proofs";
        foreach (var (holds, text) in found.Proofs)
        {
            Row(terminal, name, (holds ? terminal.Paint("ok", Green) : terminal.Paint("FAILED", Red)) + "  " + text);
            name = "";
        }
        Row(terminal, "", $"    model.safetensors has the sha256 {found.Files["model.safetensors"]}");
    }

    private static void Row(Terminal terminal, string name, string text) => terminal.Line($"  {name,-12}{text}");

    private static string Clip(string text) =>
        text.ReplaceLineEndings(" ") is { Length: > Width } longer
        ? longer[..(Width - 3)] + "..." : text.ReplaceLineEndings(" ");
}
