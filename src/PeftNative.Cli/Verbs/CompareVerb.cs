using PeftNative.Cli.Compare;
using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Formats.Storage;
using PeftNative.Lab.Comparison;

namespace PeftNative.Cli.Verbs;

/// <summary>Trains every method on the same data and measures what each costs and gives.</summary>
internal sealed class CompareVerb : Verb
{
    public override string Name => "compare";

    public override string Summary =>
        "trains every method on one model and data set and shows what each costs and gives";

    public override string Example => """
        peftnative compare --model minilm --data sst2-train.jsonl --eval_data sst2-dev.jsonl \
          --own_data agnews-train.jsonl --methods lora,ia3,prefix,prompt,p_tuning,bottleneck,full,head \
          --sizes 50,200,1000 --seeds 42,43,44
        """;

    public override string Notes => """
        Every run has the same data, steps and batches; rates are usual published ones, scaled to the model's width.
        Finished runs are in results.json: the same command goes on where it was, and one with more methods,
        sizes or seeds adds them.
        """;

    public override IReadOnlyList<Setting> Settings => CompareSettings.All;

    public override int Run(SettingValues values, Terminal terminal)
    {
        var model = Path.TrimEndingDirectorySeparator(Path.GetFullPath(values.Text(Shared.Model)));
        values.Add(CompareSettings.Output, $"{Path.GetFileName(model)}-compare", "chosen");
        using var backend = Machine.CreateBackend(values);
        var setup = CompareSetup.Read(values, backend, terminal);
        var comparison = new MethodComparison(setup);
        using (var console = new CompareConsole(terminal)) comparison.Run(console.Show, terminal.Cancellation);

        var summary = new ComparisonSummary(comparison.Results);
        var report = Path.Combine(setup.Output, "report.html");
        AtomicFile.WriteText(report, CompareReport.Write(summary));
        CompareTable.Print(summary, terminal);
        terminal.Line();
        terminal.Line($"Results: {Path.Combine(setup.Output, ComparisonResults.FileName)}");
        terminal.Line($"Report:  {report}");
        return 0;
    }
}
