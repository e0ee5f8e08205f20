using System.Text.Json.Nodes;
using PeftNative.Cli.Demo.Text;
using PeftNative.Cli.Output;
using PeftNative.Lab.Comparison;

namespace PeftNative.Cli.Demo;

/// <summary>Everything the demo found out.</summary>
/// <param name="Summary">The comparison.</param>
/// <param name="Results">Its cells.</param>
/// <param name="BaseFolder">The base.</param>
/// <param name="Output">The folder of the results.</param>
/// <param name="Files">The sha256 of the base's files, afterwards.</param>
/// <param name="Facts">What was done, in words.</param>
/// <param name="Seconds">How long it took.</param>
internal sealed record Findings(
    ComparisonSummary Summary, ComparisonResults Results, string BaseFolder, string Output,
    IReadOnlyDictionary<string, string> Files,
    IReadOnlyList<(string Name, string Text)> Facts, double Seconds)
{
    /// <summary>The method whose answers are shown.</summary>
    public MethodSummary Shown => Summary.Methods[0];

    /// <summary>The answers of the untouched base.</summary>
    public IReadOnlyList<Continuation> Before => Summary.Facts.Continuations;

    /// <summary>Those of <see cref="Shown"/>, after the most lessons.</summary>
    public IReadOnlyList<Continuation> After => AnswersOf(Shown);

    /// <summary>Where the adapter of <see cref="Shown"/> is.</summary>
    public string AdapterFolder => Path.Combine(Output, CellOf(Shown).Adapter!);

    /// <summary>Whether what had to stay the same did, each as a sentence.</summary>
    public IEnumerable<(bool Holds, string Text)> Proofs
    {
        get
        {
            var (found, runs) = (Summary.Portability!, Results.Cells);
            yield return (found.FilesAreIntact, "Every file of the base has the same sha256 as before.");
            yield return (runs.All(c => c.OffIsIdentical) && found.Adapters.All(a => a.BaseIsIntact),
                $"After each of {Quantity.Of(runs.Count, "training")}, with the adapter off, the base's scores have "
                    + "the same bits as before.");
            yield return (found.Adapters.All(a => a.IsAsTrained),
                $"All {found.Adapters.Count} adapters, saved and loaded again, give the same bits as at the end of "
                    + "their training.");
        }
    }

    /// <summary>Whether all proofs hold.</summary>
    public bool IsProved => Proofs.All(p => p.Holds);

    /// <summary>The answers of a method after the most lessons.</summary>
    public IReadOnlyList<Continuation> AnswersOf(MethodSummary method) => CellOf(method).Continuations;

    /// <summary>
    /// The share of the records' tokens that are right when those before them are given: it tells who learned a part.
    /// </summary>
    public double TokensRight(MethodSummary? method) =>
        (method is null ? Summary.Facts.Before : CellOf(method).Metrics)["token_accuracy"];

    /// <summary>One sentence, that with the longest record, and what each task's adapter makes of it.</summary>
    public IEnumerable<(string Task, Continuation Answer)> SameSentence
    {
        get
        {
            var longest = After.Index().MaxBy(a => a.Item.Wanted.Length).Index;
            return DemoTask.All.Select(t => (t.Name,
                Results.Cells.First(c => c.Key.Task == t.Name
                    && c.Key.Size == Summary.Plan.LargestSize).Continuations[longest]));
        }
    }

    /// <summary>The sentence of a question.</summary>
    public static string Sentence(Continuation answer) => answer.Prompt[..^Corpus.Cue.Length];

    /// <summary>
    /// The answers worth showing: right and wrong ones in the proportion of the exam, at least one of each there is.
    /// </summary>
    public IEnumerable<(Continuation Before, Continuation After)> Choose(int count)
    {
        var pairs = Before.Zip(After).ToList();
        var wrong = pairs.Where(p => !p.Second.IsExact).ToList();
        wrong = [.. wrong.Take(Math.Max(1, count * wrong.Count / pairs.Count))];
        return [.. pairs.Where(p => p.Second.IsExact).Take(count - wrong.Count), .. wrong];
    }

    /// <summary>A command that asks the adapted model something.</summary>
    public string Try =>
        $"peftnative generate --model {BaseFolder} --adapter {AdapterFolder} --prompt \"{After[^1].Prompt}\"";

    /// <summary>The numbers, for --json.</summary>
    public JsonObject ToJson() => new()
    {
        ["exam"] = Before.Count, ["exact_before"] = Before.Count(a => a.IsExact),
        ["exact_after"] = new JsonObject(Summary.Methods.Select(m =>
            KeyValuePair.Create(m.Method.Name, (JsonNode?)JsonValue.Create(AnswersOf(m).Count(a => a.IsExact))))),
        ["base_files_untouched"] = Summary.Portability!.FilesAreIntact, ["proved"] = IsProved, ["seconds"] = Seconds,
    };

    private CellResult CellOf(MethodSummary method) =>
        Summary.Cells.First(c => c.Key.Method == method.Method.Name && c.Key.Size == Summary.Plan.LargestSize);
}
