using System.Diagnostics;
using PeftNative.Cli.Demo.Base;
using PeftNative.Cli.Demo.Text;
using PeftNative.Cli.Output;
using PeftNative.Cli.Runs;
using PeftNative.Data;
using PeftNative.Models;
using PeftNative.Models.Loading;
using PeftNative.Ops;
using PeftNative.Peft;
using PeftNative.Tokenizers;
using PeftNative.Training;

namespace PeftNative.Cli.Demo;

/// <summary>
/// The demo: an exam the base fails, a LoRA trained on other sentences, the exam again, and the proof that the base is
/// what it was.
/// </summary>
internal sealed class DemoRun : IDisposable
{
    private readonly string baseFolder, adapterFolder;
    private readonly ulong seed;
    private readonly Terminal terminal;
    private readonly DemoPlan plan;
    private readonly IBackend backend;
    private readonly HfTokenizer tokenizer;
    private readonly TransformerModel model;
    private readonly Adapter adapter;
    private readonly IReadOnlyList<PromptRecord> questions;
    private readonly EncodedData ownTexts;
    private readonly int[] probe;
    private readonly Stopwatch clock = Stopwatch.StartNew();

    /// <summary>Loads the base and makes up the exam.</summary>
    public DemoRun(
        string baseFolder, string adapterFolder, DemoPlan plan, ulong seed, IBackend backend, Terminal terminal)
    {
        (this.baseFolder, this.adapterFolder, this.plan, this.seed) = (baseFolder, adapterFolder, plan, seed);
        (this.backend, this.terminal) = (backend, terminal);
        tokenizer = HfTokenizer.Load(baseFolder);
        (model, _) = ModelLoader.Load(backend, baseFolder);
        // Arranged weights may round otherwise than plain ones; all comparisons are made with the former.
        model.PrepareWeights();
        adapter = DemoPlan.Method.Create(model, seed, trainable: true, "default");
        questions = [.. Corpus.Exam(plan.ExamSize, seed)];
        ownTexts = Pretraining.Encode(tokenizer, Corpus.HeldOut(plan.OwnTexts, seed));
        probe = tokenizer.Encode(questions[0].Prompt + questions[0].Completion).Ids;
    }

    /// <summary>The base, the task, the method and the machine in words.</summary>
    public IReadOnlyList<(string Name, string Text)> Facts =>
    [
        ("base", $"{model.Config.ModelType}, {model.Config.LayerCount} layers, {model.Config.HiddenSize} wide: "
            + $"{Quantity.Count(model.ParameterCount)} parameters, {Quantity.Bytes(BaseBytes)} in bf16, "
            + "made by this program"),
        ("task", "read a sentence, write down who has what and where as a record (YAML)"),
        ("lessons", $"{Quantity.Count((long)plan.Steps * plan.BatchSize)} generated sentences with their records"),
        ("exam", $"{plan.ExamSize} other sentences, about {Corpus.Examined.Length} people who are in no lesson"),
        ("method", $"LoRA, r {DemoPlan.Method.R}, at all linear layers: {Quantity.Count(adapter.ParameterCount)} "
            + $"trained parameters ({Quantity.Percent(TrainedShare)})"),
        ("machine", $"backend {backend.Name}: {backend.Description}"),
    ];

    private long BaseBytes => new FileInfo(Path.Combine(baseFolder, "model.safetensors")).Length;

    private double TrainedShare => (double)adapter.ParameterCount / adapter.TotalParameterCount;

    /// <summary>Does it all; null when interrupted.</summary>
    public Findings? Run()
    {
        var loading = Lap();
        var fingerprint = Fingerprint.Of(baseFolder, model, probe);
        var before = Exam.Take(questions, model, tokenizer, "exam of the base", terminal);
        var ownBefore = Perplexity();
        var beforeTime = Lap();
        if (Train() is not { } course) return null;
        var trainingTime = Lap();
        var after = Exam.Take(questions, model, tokenizer, "exam with the adapter", terminal, adapter);
        var ownText = new OwnText(ownBefore, Perplexity(), Perplexity(adapter));
        AdapterFolder.Save(adapter, adapterFolder);
        var proofs = Prove(fingerprint);
        return new Findings
        {
            Plan = plan,
            Facts = Facts,
            Before = before,
            After = after,
            Course = course,
            OwnText = ownText,
            Base = fingerprint,
            Proofs = proofs,
            Times = new Times(loading, beforeTime, trainingTime, Lap()),
            BaseBytes = BaseBytes,
            AdapterBytes = new FileInfo(Path.Combine(adapterFolder, AdapterFolder.WeightsName)).Length,
            TrainedParameters = adapter.ParameterCount,
            AllParameters = adapter.TotalParameterCount,
            BaseFolder = baseFolder,
            AdapterFolder = adapterFolder,
        };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        adapter.Dispose();
        model.Dispose();
    }

    private List<TrainEvent>? Train()
    {
        var options = new EncodingOptions { Task = LearningTask.CausalLM, MaxLength = model.Config.MaxPositions };
        var encoder = new ExampleEncoder(tokenizer, options);
        var lessons = EncodedData.From(Corpus.Lessons(plan.Steps * plan.BatchSize, seed), encoder);
        var exam = EncodedData.From(questions, encoder);
        var course = new List<TrainEvent>();
        using var trainer = new Trainer(model, adapter, lessons, exam, plan.Training(seed));
        using var console = new TrainConsole(terminal, loggingSteps: int.MaxValue);
        var result = trainer.Run(Note, terminal.Cancellation);
        return result.End == RunEnd.Completed ? course : null;

        void Note(TrainEvent e)
        {
            course.Add(e);
            console.Show(e);
        }
    }

    private double Perplexity(params IReadOnlyList<AttachmentSet> adapters)
    {
        using var evaluator = new Evaluator(model, ownTexts, plan.BatchSize, adapters);
        return evaluator.Run(terminal.Cancellation)?["perplexity"] ?? throw new OperationCanceledException();
    }

    private Proofs Prove(Fingerprint before)
    {
        var now = Fingerprint.Of(baseFolder, model, probe);
        using var reloaded = AdapterFolder.Load(model, adapterFolder);
        var trained = Fingerprint.ScoresOf(model, probe, adapter);
        var read = Fingerprint.ScoresOf(model, probe, reloaded);
        return new Proofs(now.HasFilesOf(before), now.HasScoresOf(before), Fingerprint.AreSame(trained, read));
    }

    private double Lap()
    {
        var seconds = clock.Elapsed.TotalSeconds;
        clock.Restart();
        return seconds;
    }
}
