using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Data.Batching;
using PeftNative.Data.Encoding;
using PeftNative.Data.Inspection;
using PeftNative.Data.Preparation;
using PeftNative.Data.Records;
using PeftNative.Models;
using PeftNative.Models.Families;
using PeftNative.Models.Loading;
using PeftNative.Ops;
using PeftNative.Peft.Adapters;
using PeftNative.Tokenizers;
using PeftNative.Training.Loop;
using PeftNative.Training.Observing;

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

    /// <summary>Its folder: the model's, or that of an adapter that adds tokens.</summary>
    public required string TokenizerFolder { get; init; }

    /// <summary>What the run begins with.</summary>
    public required RunOrigin Origin { get; init; }

    /// <summary>The adapter that is trained.</summary>
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

    /// <summary>What a person should know before training.</summary>
    public required IReadOnlyList<Observation> Observations { get; init; }

    /// <summary>What the training data is like.</summary>
    public required DataReport Report { get; init; }

    /// <summary>Options of the trainer, without output folder and checkpoint.</summary>
    public required TrainerOptions Options { get; init; }

    /// <summary>The most tokens of an example.</summary>
    public required int MaxLength { get; init; }

    /// <summary>How the learning rate was found; null where it was not looked for.</summary>
    public RateSearchResult? Rate { get; init; }

    /// <summary>Reads and checks everything; settings that were left open are set to what was chosen.</summary>
    /// <param name="values">The settings.</param>
    /// <param name="terminal">Told how far it is.</param>
    /// <param name="forTraining">Whether a rate is looked for, where that is asked for.</param>
    public static RunSetup Prepare(SettingValues values, Terminal terminal, bool forTraining = false)
    {
        var findsRate = RateFinding.IsDue(values) && forTraining;
        var folder = values.Text(Shared.Model);
        var config = FamilyTable.Read(folder);
        var origin = RunOrigin.Read(values); // wrong settings should show before anything large is read
        var options = TrainSettings.ToOptions(values, config);
        var quantization = ModelSession.QuantizationFor(
            origin.Adapter is { } continued ? [continued] : [], values, terminal);
        var tokenizerFolder = origin.TokenizerFolder;
        var tokenizer = HfTokenizer.Load(tokenizerFolder);
        var (train, eval, evalOrigin) = ReadData(values, terminal);
        var holdsBlocks = DataSources.HoldsBlocksOut(train, values);
        if (eval is null && !holdsBlocks) TrainSettings.RefuseEvaluation(values);
        var labels = origin.LabelsFor(train, config, terminal);
        var maxLength = DataPlan.MaxLength(values, config, origin.LeadingPositions);
        var date = RunDate.Of(values);
        var strategy = Strategy(values);
        // Blocks that are held out are none of the rows.
        var examples = train.Encode(
            tokenizer, tokenizerFolder, maxLength, labels, date, holdsBlocks ? null : strategy);
        var evalExamples = eval?.Encode(tokenizer, tokenizerFolder, maxLength, labels, date);
        if (date.IsAsked) values.Add(DataSettings.TemplateDate, date.Text, Chosen);
        if (holdsBlocks)
        {
            (examples, evalExamples, evalOrigin) = DataSources.HoldBlocksOut(train, examples, values);
            if (strategy is { } packing) examples = PackedExamples.Pack(examples, packing, maxLength);
        }
        options = options with
        {
            ClassWeights = ClassWeightText.Read(values, labels, examples),
            PackingBudget = values.Switch(DataSettings.Packing) && examples.Rows is null ? maxLength : null,
        };
        terminal.Cancellation.ThrowIfCancellationRequested();

        var backend = Machine.CreateBackend(values);
        TransformerModel? model = null;
        try
        {
            using var progress = new ProgressLine(terminal);
            var asked = origin.Complete(train.ModelOptions(config, labels, options.Seed));
            (model, var loaded) = ModelLoader.Load(backend, folder, asked with { Quantization = quantization },
                progress, terminal.Cancellation);
            var adapter = origin.Begin(model, tokenizer, options.Seed, loaded.Created, terminal);
            var rate = !findsRate ? null : RateFinding.Run(model, examples, options, progress,
                () => origin.NewAdapter(model, tokenizer, options.Seed, loaded.Created), terminal.Cancellation);
            if (rate is not null) options = options with { LearningRate = rate.Rate };
            adapter.ReleaseBase();
            values.Add(DataSettings.MaxLength, (long)maxLength, Chosen);
            values.Add(TrainSettings.LearningRate, options.LearningRate, Chosen);
            var report = DataReport.Of(examples, labels, train.BadLines, train.Unused);
            return new RunSetup
            {
                Backend = backend, Model = model, Loaded = loaded, Tokenizer = tokenizer, Adapter = adapter,
                Origin = origin, TokenizerFolder = tokenizerFolder,
                Data = train, Train = examples,
                Eval = evalExamples, EvalOrigin = evalOrigin, Labels = labels,
                Report = report, MaxLength = maxLength,
                Observations = [
                    .. StartPanel.Observations(loaded, adapter, origin.Doubts(adapter), report, tokenizer),
                    .. RunObservations.Before(new RunFacts(adapter, examples, evalExamples, tokenizer)),
                ],
                Options = options, Rate = rate,
            };
        }
        catch
        {
            model?.Dispose();
            backend.Dispose();
            throw;
        }
    }

    // Who names no strategy gets the best fit over all whole examples, but TRL's default where all is to be as there.
    private static PackingStrategy? Strategy(SettingValues values)
    {
        var isPacked = values.Switch(DataSettings.Packing);
        if (!isPacked) values.Refuse([DataSettings.PackingStrategy], "without --packing", "give --packing");
        return !isPacked ? null : values.OptionalText(DataSettings.PackingStrategy) is { } name
            ? RowPacking.Parse(name) : DataPlan.IsOfTrl(values) ? PackingStrategy.BestFit : null;
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
