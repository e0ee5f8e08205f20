using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Data.Batching;
using PeftNative.Data.Encoding;
using PeftNative.Data.Inspection;
using PeftNative.Data.Reading;
using PeftNative.Data.Records;
using PeftNative.Models;
using PeftNative.Models.Families;
using PeftNative.Models.Loading;
using PeftNative.Ops;
using PeftNative.Peft.Adapters;
using PeftNative.Tokenizers;
using PeftNative.Training.Loop;

namespace PeftNative.Cli.Runs;

/// <summary>
/// Everything a training run needs, read, checked and in memory; what is only tried out in <c>check</c> is trained in
/// <c>train</c>.
/// </summary>
internal sealed class RunSetup : IDisposable
{
    /// <summary>Where the value of a setting that was left open comes from.</summary>
    public const string Chosen = "chosen";

    private RunSetup()
    {
    }

    /// <summary>Computes.</summary>
    public required IBackend Backend { get; init; }

    /// <summary>The base.</summary>
    public required TransformerModel Model { get; init; }

    /// <summary>What loading it found.</summary>
    public required LoadReport Loaded { get; init; }

    /// <summary>The tokenizer.</summary>
    public required HfTokenizer Tokenizer { get; init; }

    /// <summary>The new adapter.</summary>
    public required Adapter Adapter { get; init; }

    /// <summary>The records to train on.</summary>
    public required DataPlan Data { get; init; }

    /// <summary>The examples to train on.</summary>
    public required EncodedData Train { get; init; }

    /// <summary>The examples to evaluate on; null without any.</summary>
    public EncodedData? Eval { get; init; }

    /// <summary>Where these are from, in words.</summary>
    public string EvalOrigin { get; init; } = "";

    /// <summary>The labels of a classifier; null for other tasks.</summary>
    public LabelVocabulary? Labels { get; init; }

    /// <summary>What the training data is like.</summary>
    public required DataReport Report { get; init; }

    /// <summary>Options of the trainer, without output folder and checkpoint.</summary>
    public required TrainerOptions Options { get; init; }

    /// <summary>The most tokens of an example.</summary>
    public required int MaxLength { get; init; }

    /// <summary>Reads and checks everything; settings that were left open are set to what was chosen.</summary>
    public static RunSetup Prepare(SettingValues values, Terminal terminal)
    {
        var folder = values.Text(Shared.Model);
        var config = FamilyTable.Read(folder);
        var method = MethodSettings.Config(values); // wrong settings should show before anything large is read
        var options = TrainSettings.ToOptions(values, config);
        var quantization = QuantizationSettings.Read(values);
        var tokenizer = HfTokenizer.Load(folder);
        method = method.WithTokenizer(tokenizer);
        var (train, eval, evalOrigin) = ReadData(values, terminal);
        var labels = train.FindLabels(config.Labels);
        var maxLength = DataPlan.MaxLength(values, config);
        var examples = train.Encode(tokenizer, folder, maxLength, labels);
        var evalExamples = eval?.Encode(tokenizer, folder, maxLength, labels);
        if (DataSources.HoldBlocksOut(train, examples, values) is { } held)
            (examples, evalExamples, evalOrigin) = held;
        terminal.Cancellation.ThrowIfCancellationRequested();

        var backend = Machine.CreateBackend(values);
        TransformerModel? model = null;
        try
        {
            using var progress = new ProgressLine(terminal);
            var asked = train.ModelOptions(config, labels, options.Seed) with { Quantization = quantization };
            (model, var loaded) = ModelLoader.Load(backend, folder, asked, progress, terminal.Cancellation);
            var adapter = method.Create(model, options.Seed, trainable: true, "default");
            foreach (var doubt in loaded.Doubts.Concat(adapter.Warnings).Concat(adapter.Doubts)) terminal.Warn(doubt);
            adapter.ReleaseBase();
            values.Add(DataSettings.MaxLength, (long)maxLength, Chosen);
            values.Add(TrainSettings.LearningRate, options.LearningRate, Chosen);
            return new RunSetup
            {
                Backend = backend, Model = model, Loaded = loaded, Tokenizer = tokenizer, Adapter = adapter,
                Data = train, Train = examples,
                Eval = evalExamples, EvalOrigin = evalOrigin, Labels = labels,
                Report = DataReport.Of(examples, labels, train.BadLines), MaxLength = maxLength,
                Options = options with { PackingBudget = values.Switch(DataSettings.Packing) ? maxLength : null },
            };
        }
        catch
        {
            model?.Dispose();
            backend.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Adapter.Dispose();
        Model.Dispose();
        Backend.Dispose();
    }

    /// <summary>
    /// Reads the records to train on and those to evaluate on, where the settings name or hold out some.
    /// </summary>
    public static (DataPlan Train, DataPlan? Eval, string Origin) ReadData(SettingValues values, Terminal terminal) =>
        DataSources.Read(values, terminal);
}
