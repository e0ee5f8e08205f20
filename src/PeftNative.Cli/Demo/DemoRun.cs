using System.Diagnostics;
using PeftNative.Cli.Compare;
using PeftNative.Cli.Demo.Base;
using PeftNative.Cli.Demo.Text;
using PeftNative.Cli.Output;
using PeftNative.Data.Encoding;
using PeftNative.Data.Records;
using PeftNative.Lab.Comparison;
using PeftNative.Models.Loading;
using PeftNative.Ops;
using PeftNative.Tokenizers;

namespace PeftNative.Cli.Demo;

/// <summary>
/// The demo: an exam the base fails, every method trained on other sentences and examined, and the proof that the base
/// is what it was. A small comparison on generated data.
/// </summary>
internal sealed class DemoRun(string baseFolder, string output, DemoPlan plan, ulong seed, IBackend backend,
    Terminal terminal)
{
    private readonly HfTokenizer tokenizer = HfTokenizer.Load(baseFolder);

    /// <summary>What is about to happen, in words.</summary>
    public IReadOnlyList<(string Name, string Text)> Facts =>
    [
        ("base",
            $"a small language model of this program's own making, "
                + $"{Quantity.Bytes(new FileInfo(Path.Combine(baseFolder, "model.safetensors")).Length)}; "
            + "it has only read little stories"),
        ("task", "read a sentence, write down who has what and where as a record (YAML)"),
        ("lessons",
            $"{Quantity.Count(plan.Records)} generated sentences with their records; once more with {plan.FewRecords} "
                + "of them"),
        ("exam",
            $"{plan.ExamSize} other sentences, about {Corpus.Examined.Length} people who are in no lesson; an answer "
                + "counts when it is right to the character"),
        ("methods",
            "six ways to adapt the model, and full fine-tuning to compare with; all have the same lessons and steps"),
        ("machine", $"backend {backend.Name}: {backend.Description}"),
    ];

    /// <summary>Does it all.</summary>
    /// <exception cref="OperationCanceledException">It was interrupted.</exception>
    public Findings Run()
    {
        var clock = Stopwatch.StartNew();
        Directory.CreateDirectory(output);
        // A demo shows what happens now, not what happened once.
        File.Delete(Path.Combine(output, ComparisonResults.FileName));
        var comparison = new MethodComparison(Setup());
        using (var console = new CompareConsole(terminal)) comparison.Run(console.Show, terminal.Cancellation);
        return new Findings(new ComparisonSummary(comparison.Results), comparison.Results, baseFolder, output,
            FileDigests.Of(baseFolder), Facts, clock.Elapsed.TotalSeconds);
    }

    private ComparisonSetup Setup() => new()
    {
        Load = _ =>
        {
            var (model, report) = ModelLoader.Load(backend, baseFolder);
            foreach (var doubt in report.Doubts) terminal.WarnOnce(doubt);
            return model;
        },
        ModelFolder = baseFolder, Tokenizer = tokenizer, Output = output, Tasks = [.. DemoTask.All.Select(Task)],
        Plan = model => plan.Comparison(model, seed),
        Knowledge = _ => new OwnTextPerplexity(Pretraining.Encode(tokenizer, Corpus.HeldOut(plan.OwnTexts, seed)),
            "unseen texts of the base's own kind"),
    };

    private ComparedTask Task(DemoTask task)
    {
        var encoder = new ExampleEncoder(tokenizer,
            new EncodingOptions { Task = ModelTask.CausalLM, MaxLength = BaseFiles.MaxPositions });
        List<PromptRecord> exam = [.. Corpus.Exam(task, plan.ExamSize, seed)];
        return new ComparedTask(task.Name, EncodedData.From(Corpus.Lessons(task, plan.Records, seed), encoder),
            EncodedData.From(exam, encoder), exam);
    }
}
