using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Cli.Runs;
using PeftNative.Data.Batching;
using PeftNative.Data.Records;
using PeftNative.Lab.Comparison;
using PeftNative.Models;
using PeftNative.Models.Config;
using PeftNative.Models.Families;
using PeftNative.Models.Loading;
using PeftNative.Ops;
using PeftNative.Tokenizers;

namespace PeftNative.Cli.Compare;

/// <summary>Reads what a comparison needs.</summary>
internal sealed class CompareSetup
{
    private const int MostHeldOut = 500, OwnTextCount = 48, OwnTextTokens = 64, SimilarTexts = 64, CentroidTexts = 200,
        MostOwnTexts = 400;
    private const double HeldOutShare = 0.2;
    private const ulong SplitSeed = 42, OwnTextSeed = 7;

    private readonly SettingValues values;
    private readonly Terminal terminal;
    private readonly string folder;
    private readonly TransformerConfig config;
    private readonly HfTokenizer tokenizer;
    private readonly int maxLength;

    private CompareSetup(SettingValues values, Terminal terminal)
    {
        (this.values, this.terminal, folder) = (values, terminal, values.Text(Shared.Model));
        config = FamilyTable.Read(folder);
        tokenizer = HfTokenizer.Load(folder);
        maxLength = DataPlan.MaxLength(values, config);
    }

    /// <summary>Reads data and tokenizer; the model is loaded when the comparison asks for it.</summary>
    public static ComparisonSetup Read(SettingValues values, IBackend backend, Terminal terminal) =>
        new CompareSetup(values, terminal).Read(backend);

    private ComparisonSetup Read(IBackend backend)
    {
        var (train, eval) = Split(RunSetup.ReadData(values, terminal));
        var labels = train.FindLabels(config.Labels);
        var main = Encode(train, eval, labels);
        var others = values.Texts(CompareSettings.Tasks).Select(path => ReadOther(path, train, labels));
        return new ComparisonSetup
        {
            ModelFolder = folder, Tokenizer = tokenizer, Output = values.Text(CompareSettings.Output),
            Tasks = [main, .. others],
            Load = seed => Load(backend, train.ModelOptions(config, labels, seed)),
            Plan = model => CompareSettings.Plan(values, model, tokenizer, main.Train.Examples.Count),
            Knowledge = model => Knowledge(model, main),
        };
    }

    // A classifier is loaded for every seed; what is odd about it is said once.
    private TransformerModel Load(IBackend backend, ModelOptions options)
    {
        var (model, report) = ModelLoader.Load(backend, folder, options, cancellation: terminal.Cancellation);
        foreach (var doubt in report.Doubts) terminal.WarnOnce(doubt);
        if (StartPanel.UnusedDropout(folder) is { } dropout) terminal.WarnOnce(dropout);
        return model;
    }

    private static (DataPlan Train, DataPlan Eval) Split((DataPlan Train, DataPlan? Eval, string Origin) read)
    {
        var (train, eval, _) = read;
        if (eval is not null) return (train, eval);
        var held = Math.Clamp((int)Math.Round(HeldOutShare * train.Records.Count), 1, MostHeldOut);
        var (rest, chosen) = HoldOut.Split(train.Records.Count, held, SplitSeed);
        return (train.Part(rest), train.Part(chosen));
    }

    private ComparedTask Encode(DataPlan train, DataPlan eval, LabelVocabulary? labels)
    {
        var prompts = train.Task is not (ModelTask.CausalLM or ModelTask.SequenceToSequence) ? []
            : eval.Records.OfType<PromptRecord>().Where(p => p.Completion is not null)
            .Take(values.Int(CompareSettings.Continuations));
        return new ComparedTask(Path.GetFileNameWithoutExtension(train.Path),
            train.Encode(tokenizer, folder, maxLength, labels),
            eval.Encode(tokenizer, folder, maxLength, labels), [.. prompts]);
    }

    private ComparedTask ReadOther(string path, DataPlan main, LabelVocabulary? labels)
    {
        var (train, eval) = Split((DataPlan.Read(path, values, terminal), null, ""));
        if (train.Task != main.Task)
            throw new UsageException("The other data is for another kind of task, which the model's head cannot do.",
                path,
                "Give records of the same kind as --data.");
        return Encode(train, eval, labels);
    }

    private IBaseKnowledge Knowledge(TransformerModel model, ComparedTask main)
    {
        var own = values.OptionalText(CompareSettings.OwnData);
        if (model.Task.Classifies())
            return own is null ? new StateSimilarity([.. main.Eval.Examples.Take(SimilarTexts)]) : Centroids(own);
        if (own is not null)
        {
            var plan = DataPlan.Read(own, values, terminal);
            var texts = plan.With([.. plan.Records.Take(MostOwnTexts)]).Encode(tokenizer, folder, maxLength, null);
            return new OwnTextPerplexity(texts, Path.GetFileName(own));
        }
        if (model.Task == ModelTask.SequenceToSequence)
            return new OwnTextPerplexity(OwnTexts.Write(model, [.. main.Eval.Examples.Take(OwnTextCount)],
                OwnTextTokens, OwnTextSeed, terminal.Cancellation),
                "what the base wrote of the same sources");
        var begin = tokenizer.BeginOfSequenceId ?? tokenizer.EndOfSequenceId ?? main.Eval.Examples[0].Ids[0];
        var sampled = OwnTexts.Sample(model, begin, OwnTextCount, OwnTextTokens, OwnTextSeed, terminal.Cancellation);
        return new OwnTextPerplexity(sampled, "texts the base wrote");
    }

    private CentroidAccuracy Centroids(string path)
    {
        var plan = DataPlan.Read(path, values, terminal);
        if (plan.Task != ModelTask.SequenceClassification)
            throw new UsageException("--own_data needs texts with labels for a model that does not generate.", path,
                "Give text + label.");
        var used = plan.With([.. plan.Records.Take(CentroidTexts + MostOwnTexts)]);
        var examples = used.Encode(tokenizer, folder, maxLength, used.FindLabels([])).Examples;
        if (examples.Count <= CentroidTexts || examples[0].Class is null)
            throw new UsageException($"--own_data needs more than {CentroidTexts} texts with one label each.", path);
        return new CentroidAccuracy([.. examples.Take(CentroidTexts)], [.. examples.Skip(CentroidTexts)],
            Path.GetFileName(path));
    }
}
