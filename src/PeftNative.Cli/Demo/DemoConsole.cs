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
        foreach (var (name, text) in facts) terminal.Line($"  {name,-10}{text}");
        terminal.Line();
    }

    /// <summary>What came of it.</summary>
    public static void End(Findings found, string report, Terminal terminal)
    {
        terminal.Object(found.ToJson());
        terminal.Line();
        Answers(found, terminal);
        Numbers(found, terminal);
        Next(found, report, terminal);
    }

    /// <summary>The answers worth showing: right and wrong ones, in the proportion of the exam, and at least one of each there is.</summary>
    public static IEnumerable<(Answer Before, Answer After)> Choose(Findings found, int count)
    {
        var pairs = found.Before.Zip(found.After).ToList();
        var wrong = pairs.Where(p => !p.Second.IsExact).Take(Math.Max(1, count * (found.After.Count - found.ExactAfter) / found.After.Count)).ToList();
        return [.. pairs.Where(p => p.Second.IsExact).Take(count - wrong.Count), .. wrong];
    }

    private static void Answers(Findings found, Terminal terminal)
    {
        terminal.Line(terminal.Paint("Sentences of the exam, and what follows them", Bold));
        foreach (var (before, after) in Choose(found, Shown))
        {
            terminal.Line();
            terminal.Line($"  {before.Sentence}");
            terminal.Line($"    base    {terminal.Paint(Clip(before.Given), Grey)}");
            terminal.Line($"    adapted {terminal.Paint(Clip(after.Given), after.IsExact ? Green : Red)}{(after.IsExact ? "" : "   (wrong)")}");
            if (!after.IsExact) terminal.Line($"    right   {after.Wanted}");
        }
        terminal.Line();
    }

    private static void Numbers(Findings found, Terminal terminal)
    {
        var (own, proofs, times) = (found.OwnText, found.Proofs, found.Times);
        var total = found.Before.Count;
        Row("exam", $"{found.ExactBefore} of {total} records right before, {terminal.Paint($"{found.ExactAfter} of {total}", Bold)} after");
        Row("sizes", $"base {Quantity.Bytes(found.BaseBytes)}, adapter {Quantity.Bytes(found.AdapterBytes)}; {Quantity.Percent(found.TrainedShare)} of the parameters are trained");
        Row("training", $"{found.Plan.Steps} steps in {Quantity.Time(times.Training)}, {Quantity.Count((long)found.TokensPerSecond)} tokens per second, "
            + $"loss {Quantity.Metric(found.Steps.First().Loss)} to {Quantity.Metric(found.Steps.Last().Loss)}");
        Row("times", $"loading {Quantity.Time(times.Loading)}, first exam {Quantity.Time(times.Before)}, training {Quantity.Time(times.Training)}, "
            + $"second exam and proofs {Quantity.Time(times.After)}, together {Quantity.Time(times.Total)}");
        Row("own text", $"perplexity of the base's kind of text: {own.Before:0.000} before; after, with the adapter off {own.Off:0.000}, with it on {own.On:0.000}");
        Proof("the base's files have the same bytes (sha256 of model.safetensors: " + found.Base.Files["model.safetensors"][..16] + "...)", proofs.Files);
        Proof($"with the adapter off, all {Quantity.Count(found.Base.Scores.Length)} scores of a probe are bitwise those of before", proofs.Scores);
        Proof("the adapter, saved and loaded again, gives bitwise the same scores", proofs.Reloaded);
        terminal.Line();

        void Row(string name, string text) => terminal.Line($"  {name,-10}{text}");
        void Proof(string text, bool holds) => Row(text.StartsWith("the base", StringComparison.Ordinal) ? "proofs" : "",
            (holds ? terminal.Paint("ok", Green) : terminal.Paint("FAILED", Red)) + "  " + text);
    }

    private static void Next(Findings found, string report, Terminal terminal)
    {
        terminal.Line($"Report: {report}");
        terminal.Line("Try a sentence of your own:");
        terminal.Line($"  {Try(found, found.After[^1].Sentence)}");
    }

    /// <summary>A command that asks the adapted model something.</summary>
    public static string Try(Findings found, string sentence) =>
        $"peftnative generate --model {found.BaseFolder} --adapter {found.AdapterFolder} --prompt \"{sentence}{Corpus.Cue}\"";

    private static string Clip(string text) => text.Length <= Width ? text : text[..(Width - 3)] + "...";
}
