using PeftNative.Cli.Demo.Text;
using PeftNative.Cli.Output;

namespace PeftNative.Cli.Demo;

/// <summary>Tells the demo on the terminal.</summary>
internal static class DemoConsole
{
    private const int Shown = 4, Width = 110, Green = 32, Red = 31, Grey = 90, Bold = 1;

    /// <summary>What is about to happen.</summary>
    public static void Begin(IEnumerable<(string Name, string Text)> facts, Terminal terminal)
    {
        terminal.Line(terminal.Paint("A small language model learns a new task", Bold));
        terminal.Line();
        foreach (var (name, text) in facts) Row(terminal, name, text);
        terminal.Line();
    }

    /// <summary>What came of it.</summary>
    public static void End(Findings found, string report, Terminal terminal)
    {
        terminal.Object(found.ToJson());
        ShowAnswers(found, terminal);
        ShowNumbers(found, terminal);
        ShowProofs(found, terminal);
        terminal.Line();
        terminal.Line($"Report: {report}");
        terminal.Line("A sentence of your own:");
        terminal.Line("  " + Try(found));
    }

    /// <summary>
    /// The answers worth showing: right and wrong ones, in the proportion of the exam, and at least one of each there is.
    /// </summary>
    public static IEnumerable<(Answer Before, Answer After)> Choose(Findings found, int count)
    {
        var pairs = found.Before.Zip(found.After).ToList();
        var wrongShare = 1 - (double)found.ExactAfter / pairs.Count;
        var wrong = pairs.Where(p => !p.Second.IsExact).Take(Math.Max(1, (int)(count * wrongShare))).ToList();
        return [.. pairs.Where(p => p.Second.IsExact).Take(count - wrong.Count), .. wrong];
    }

    /// <summary>A command that asks the adapted model something.</summary>
    public static string Try(Findings found) =>
        $"peftnative generate --model {found.BaseFolder} --adapter {found.AdapterFolder} "
        + $"--prompt \"{found.After[^1].Sentence}{Corpus.Cue}\"";

    private static void ShowAnswers(Findings found, Terminal terminal)
    {
        terminal.Line();
        terminal.Line(terminal.Paint("Sentences of the exam, and what follows them", Bold));
        foreach (var (before, after) in Choose(found, Shown))
        {
            terminal.Line();
            terminal.Line($"  {before.Sentence}");
            terminal.Line($"    base    {terminal.Paint(Clip(before.Given), Grey)}");
            terminal.Line($"    adapted {terminal.Paint(Clip(after.Given), after.IsExact ? Green : Red)}");
            if (!after.IsExact) terminal.Line($"    right   {after.Wanted}");
        }
        terminal.Line();
    }

    private static void ShowNumbers(Findings found, Terminal terminal)
    {
        var (own, times, total) = (found.OwnText, found.Times, found.Before.Count);
        Row(terminal, "exam", $"{found.ExactBefore} of {total} records right before, "
            + terminal.Paint($"{found.ExactAfter} of {total} after", Bold));
        Row(terminal, "training", $"{found.Plan.Steps} steps in {Quantity.Time(times.Training)}, "
            + $"{Quantity.Count((long)found.TokensPerSecond)} tokens per second, "
            + $"loss {Quantity.Metric(found.Steps.First().Loss)} to {Quantity.Metric(found.Steps.Last().Loss)}");
        Row(terminal, "sizes", $"base {Quantity.Bytes(found.BaseBytes)}, adapter {Quantity.Bytes(found.AdapterBytes)}; "
            + $"{Quantity.Percent(found.TrainedShare)} of the parameters are trained");
        Row(terminal, "times", $"loading {Quantity.Time(times.Loading)}, first exam {Quantity.Time(times.Before)}, "
            + $"training {Quantity.Time(times.Training)}, second exam and proofs {Quantity.Time(times.After)}, "
            + $"together {Quantity.Time(times.Total)}");
        Row(terminal, "own text", $"perplexity of the base's own kind of text: {own.Before:0.000} before; "
            + $"after: {own.Off:0.000} with the adapter off, {own.On:0.000} with it on");
    }

    private static void ShowProofs(Findings found, Terminal terminal)
    {
        var name = "proofs";
        foreach (var (holds, text) in found.Proofs.InWords(found))
        {
            Row(terminal, name, (holds ? terminal.Paint("ok", Green) : terminal.Paint("FAILED", Red)) + "  " + text);
            name = "";
        }
        Row(terminal, "", $"    model.safetensors has the sha256 {found.Base.Files["model.safetensors"]}");
    }

    private static void Row(Terminal terminal, string name, string text) => terminal.Line($"  {name,-10}{text}");

    private static string Clip(string text) => text.Length <= Width ? text : text[..(Width - 3)] + "...";
}
