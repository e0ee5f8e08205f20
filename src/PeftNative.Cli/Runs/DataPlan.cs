using System.Text.Json.Nodes;
using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Data;
using PeftNative.Data.Batching;
using PeftNative.Data.Encoding;
using PeftNative.Data.Preparation;
using PeftNative.Data.Reading;
using PeftNative.Data.Records;
using PeftNative.Models.Config;
using PeftNative.Models.Families;
using PeftNative.Models.Loading;
using PeftNative.Tokenizers.Chat;

namespace PeftNative.Cli.Runs;

/// <summary>
/// Records that have been read and understood, with the task they are for; encoded once a tokenizer is there.
/// </summary>
internal sealed class DataPlan
{
    private const int UsualLength = 512, UsualLengthOfTrl = 1024, Looked = 1000;

    private readonly SettingValues values;
    private readonly Terminal terminal;

    private DataPlan(SettingValues values, Terminal terminal) => (this.values, this.terminal) = (values, terminal);

    /// <summary>The file the records are from.</summary>
    public required string Path { get; init; }

    /// <summary>Their fields.</summary>
    public required RecordShape Shape { get; init; }

    /// <summary>What is learned from them.</summary>
    public required ModelTask Task { get; init; }

    /// <summary>The records.</summary>
    public required IReadOnlyList<DataRecord> Records { get; init; }

    /// <summary>Lines that were left out.</summary>
    public IReadOnlyList<DataException> BadLines { get; init; } = [];

    /// <summary>The names in the file of the fields, by field.</summary>
    public IReadOnlyDictionary<string, string> Columns { get; init; } = new Dictionary<string, string>();

    /// <summary>Names in the file that have no use.</summary>
    public IReadOnlyList<string> Unused { get; init; } = [];

    /// <summary>Columns that may be labels, as they hold 0 or 1.</summary>
    public IReadOnlyList<string> LabelCandidates { get; init; } = [];

    /// <summary>Whether the records need not say what is to be learned.</summary>
    public bool IsForPrediction { get; init; }

    /// <summary>Reads a file.</summary>
    public static DataPlan Read(string path, SettingValues values, Terminal terminal, bool forPrediction = false)
    {
        var notes = new List<string>();
        var source = RecordSource.Open(path, new RecordOptions
        {
            Shape = values.OptionalText(DataSettings.Shape) is { } shape
                ? Enum.Parse<RecordShape>(shape.Replace("_", ""), ignoreCase: true) : null,
            Columns = values.Has(DataSettings.Columns) ? new ColumnMap(values.Map(DataSettings.Columns))
                : ColumnMap.Default,
            SkipBadLines = true, ForPrediction = forPrediction,
            LabelColumns = values.Texts(DataSettings.LabelColumns),
            Reading = new ReadOptions { Encoding = values.OptionalText(DataSettings.Encoding), Notes = notes },
            Unchecked = IsOfTrl(values) && !forPrediction, AlternateTurns = values.Switch(DataSettings.AlternateTurns),
        });
        using var progress = new ProgressLine(terminal);
        var records = source.Load(progress, terminal.Cancellation);
        progress.Clear();
        foreach (var note in notes.Distinct()) terminal.Note(note);
        BadRecords.Check(source.BadLines, records.Count, values, terminal);
        return new DataPlan(values, terminal)
        {
            Path = path, Shape = source.Shape, Task = TaskOf(source.Shape, values), Records = records,
            BadLines = source.BadLines, Columns = source.Columns, Unused = source.Unused,
            LabelCandidates = source.LabelCandidates,
            IsForPrediction = forPrediction,
        };
    }

    /// <summary>The same with other records.</summary>
    public DataPlan With(IReadOnlyList<DataRecord> records) => With(records, Path, BadLines);

    /// <summary>The same with other records of another place.</summary>
    public DataPlan With(
        IReadOnlyList<DataRecord> records, string path, IReadOnlyList<DataException> badLines) => new(values, terminal)
    {
        Path = path, Shape = Shape, Task = Task, Records = records, BadLines = badLines, Columns = Columns,
        Unused = Unused, LabelCandidates = LabelCandidates, IsForPrediction = IsForPrediction,
    };

    /// <summary>The same with some of the records, by their places.</summary>
    public DataPlan Part(int[] places) => With(RecordView.Of([Records], places));

    /// <summary>Makes sure that a model is made for the task.</summary>
    /// <exception cref="UsageException">It is not.</exception>
    public void CheckTask(TransformerConfig config)
    {
        var names = FamilyTable.Find(config.ModelType, "config.json").Names;
        if (config.Encoder is not null && Task != ModelTask.SequenceToSequence)
            throw new UsageException(
                $"A {config.ModelType} model turns one text into another, and these records ask for something else.",
                Path,
                "Give records with source + target, prompt + completion or instruction + output.");
        if (config.Encoder is null && Task == ModelTask.SequenceToSequence)
            throw new UsageException(
                $"A {config.ModelType} model has no encoder to read a source with, as these records ask for.", Path,
                "Use --task causal_lm to let it go on from source to target, or take a T5 model.");
        if (Task == ModelTask.CausalLM && names.LanguageModelHead is null)
            throw new UsageException(
                $"A {config.ModelType} model cannot learn to continue texts, as these records ask for.", Path,
                LabelCandidates.Count == 0
                    ? "Give records with labels (text + label, or tokens + tags), or another model."
                    : $"If columns are labels: --label_columns {string.Join(",", LabelCandidates)}. Otherwise give "
                        + "records with labels (text + label, or tokens + tags), or another model.");
    }

    /// <summary>The labels of a classifier; null for other tasks.</summary>
    /// <param name="modelLabels">Labels the model has already.</param>
    public LabelVocabulary? FindLabels(IReadOnlyList<string> modelLabels)
    {
        if (Task.WritesText()) return null;
        if (values.Texts(DataSettings.LabelColumns) is { Count: > 0 } columns)
            return LabelVocabulary.OfModel(
                columns.Except(modelLabels).Any() ? columns : modelLabels, ProblemType.MultiLabel);
        var problem = ProblemTypes.FromHub(values.OptionalText(DataSettings.ProblemType));
        var names = LabelVocabulary.ArePlaceholders(modelLabels) ? ClassNames() ?? modelLabels : modelLabels;
        return LabelVocabulary.Find(Records, names.Count > 0 ? names : null, problem);
    }

    // What the numbers of classes stand for, where something beside the data says it.
    private IReadOnlyList<string>? ClassNames()
    {
        var field = Task == ModelTask.TokenClassification ? "tags" : "label";
        if (!Columns.TryGetValue(field, out var column)) return null;
        var known = Path.Split(" + ").Select(DatasetInfo.Find).FirstOrDefault(k => k.Count > 0);
        return known?.GetValueOrDefault(column);
    }

    /// <summary>The most tokens of an example for a model.</summary>
    /// <param name="values">The settings.</param>
    /// <param name="config">The model.</param>
    /// <param name="leading">Positions that an adapter takes in front of each.</param>
    public static int MaxLength(SettingValues values, TransformerConfig config, int leading = 0)
    {
        if (values.Node(DataSettings.MaxLength) is not null) return values.Int(DataSettings.MaxLength);
        var names = FamilyTable.Find(config.ModelType, "config.json").Names;
        // A table of positions ends somewhere, rotary ones do not.
        var taken = names.PositionEmbedding is null ? 0
            : leading + (names.HasPositionMargin ? 0 : config.PositionOffset);
        var usual = IsOfTrl(values) ? UsualLengthOfTrl : UsualLength;
        return Math.Max(2, Math.Min(usual, config.MaxPositions - taken));
    }

    /// <summary>Turns the records into examples.</summary>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="modelFolder">Where its chat template is.</param>
    /// <param name="maxLength">The most tokens of an example.</param>
    /// <param name="labels">The labels of a classifier.</param>
    /// <param name="date">The date that the chat template sees; null for that of the settings.</param>
    /// <param name="strategy">How examples are put together into rows; null for not at all.</param>
    public EncodedData Encode(ITokenizer tokenizer, string modelFolder, int maxLength, LabelVocabulary? labels,
        RunDate? date = null, PackingStrategy? strategy = null)
    {
        if (Records is [UncheckedRecord, ..])
            return EncodeAsTrl(tokenizer, ChatTemplate.Load(modelFolder)?.WithClock(date ?? RunDate.Of(values)),
                maxLength, strategy);
        // What is cut into pieces, or anywhere, must come whole.
        var isWhole = strategy is PackingStrategy.BestFitSplit or PackingStrategy.Wrapped;
        var encoder = new ExampleEncoder(tokenizer, new EncodingOptions
        {
            Task = Task, MaxLength = isWhole ? int.MaxValue : maxLength, Labels = labels,
            MaskPrompt = values.Switch(DataSettings.MaskPrompt),
            ChatTemplate = Template(modelFolder, date), TemplateArguments = Arguments(values),
            AssistantOnly = values.Switch(DataSettings.AssistantOnly), ForPrediction = IsForPrediction,
        });
        using var progress = new ProgressLine(terminal);
        var examples = EncodedData.From(Records, encoder, progress, terminal.Cancellation);
        return strategy is { } packing ? PackedExamples.Pack(examples, packing, maxLength) : examples;
    }

    /// <summary>Whether records become what TRL makes of them.</summary>
    public static bool IsOfTrl(SettingValues values) => values.Text(DataSettings.Preparation) == "trl";

    private EncodedData EncodeAsTrl(
        ITokenizer tokenizer, ChatTemplate? template, int maxLength, PackingStrategy? strategy)
    {
        if (Task != ModelTask.CausalLM)
            throw new UsageException("TRL's way is for models that continue texts.", "--preparation", "Leave it out.");
        values.Refuse([DataSettings.TemplateArguments, DataSettings.AlternateTurns], "with --preparation trl");
        var options = new TrlOptions
        {
            MaxLength = maxLength, AssistantOnly = values.Switch(DataSettings.AssistantOnly), Packing = strategy,
            CompletionOnly = values.Has(DataSettings.MaskPrompt) ? values.Switch(DataSettings.MaskPrompt) : null,
            TextField = values.Map(DataSettings.Columns).GetValueOrDefault("text", "text"),
        };
        return new TrlPreparation(tokenizer, template, options)
            .Encode([.. Records.Cast<UncheckedRecord>().Select(r => r.Raw)]);
    }

    /// <summary>The chat template of a model, where a record needs one; null where it has none, or nobody
    /// needs it.</summary>
    public ChatTemplate? Template(string modelFolder, RunDate? date = null) =>
        Task == ModelTask.CausalLM && HasConversations
            ? ChatTemplate.Load(modelFolder)?.WithClock(date ?? RunDate.Of(values)) : null;

    // Prompts are, where they are messages, or something stands beside them for the system's.
    private bool HasConversations => Shape switch
    {
        RecordShape.Messages or RecordShape.Preference or RecordShape.UnpairedPreference => true,
        RecordShape.PromptCompletion => Columns.ContainsKey("system")
            || Records.Take(Looked).Any(r => r is ConversationRecord),
        _ => false,
    };

    /// <summary>Variables of the chat template that --chat_template_kwargs gives; null for none.</summary>
    public static JsonObject? Arguments(SettingValues values) =>
        values.Node(DataSettings.TemplateArguments) as JsonObject;

    /// <summary>Options to load the model with for training on these records.</summary>
    public ModelOptions ModelOptions(TransformerConfig config, LabelVocabulary? labels, ulong seed)
    {
        CheckTask(config);
        RequireOneAnswer();
        return new ModelOptions { Task = Task, Labels = labels?.Names, Seed = seed, ProblemType = labels?.Problem };
    }

    private void RequireOneAnswer()
    {
        if (Shape is not (RecordShape.Preference or RecordShape.UnpairedPreference)) return;
        var field = Records.OfType<PreferenceRecord>().FirstOrDefault() is { Prompt: null, Chosen: JsonArray }
            ? "messages" : "completion";
        throw new UsageException("These records compare answers, which training cannot do yet.", Path,
            Shape == RecordShape.Preference
                ? "To learn the better answers alone: --data_shape "
                    + $"{(field == "messages" ? field : "prompt_completion")} --columns {field}=chosen."
                : "To learn all answers, wanted or not: --data_shape prompt_completion.");
    }

    // Records with two texts are for an encoder and a decoder where the model has both, and else for a decoder to go on
    // with the first.
    private static ModelTask TaskOf(RecordShape shape, SettingValues values) =>
        ModelTasks.FromPeft(values.OptionalText(DataSettings.Task)?.ToUpperInvariant()) ?? shape switch
        {
            RecordShape.TextLabel or RecordShape.TextPairLabel => ModelTask.SequenceClassification,
            RecordShape.TokensTags => ModelTask.TokenClassification,
            RecordShape.SourceTarget => ModelTask.SequenceToSequence,
            RecordShape.PromptCompletion or RecordShape.Instruction when HasEncoder(values) =>
                ModelTask.SequenceToSequence,
            _ => ModelTask.CausalLM,
        };

    private static bool HasEncoder(SettingValues values) =>
        values.OptionalText(Shared.Model) is { } model && FamilyTable.Read(model).Encoder is not null;
}
