using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Data.Records;
using PeftNative.Models;
using PeftNative.Models.Config;
using PeftNative.Models.Loading;
using PeftNative.Peft;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Merging;
using PeftNative.Tokenizers;

namespace PeftNative.Cli.Runs;

/// <summary>
/// What a run begins with: a new adapter or one that was saved, and the base with the adapters that are added into it
/// before.
/// </summary>
internal sealed class RunOrigin
{
    private readonly string model;
    private readonly AdapterConfig settings;
    private ModelOptions? fitting;

    private RunOrigin(string model, string? adapter, AdapterConfig settings, IReadOnlyList<AdapterSource> merged) =>
        (this.model, Adapter, this.settings, Merged) = (model, adapter, settings, merged);

    /// <summary>The folder of the adapter that is trained further; null for a new one.</summary>
    public string? Adapter { get; }

    /// <summary>The adapters that are added into the base.</summary>
    public IReadOnlyList<AdapterSource> Merged { get; }

    /// <summary>What the merged ones are called, and their digests; known once the adapter is made.</summary>
    public IReadOnlyList<(string Name, string Digest)> Parts { get; private set; } = [];

    /// <summary>Reads what the settings name; the method is that of the adapter then.</summary>
    /// <exception cref="UsageException">Settings contradict each other, or the adapter.</exception>
    /// <exception cref="ModelFormatException">The folder is no adapter that is supported.</exception>
    public static RunOrigin Read(SettingValues values)
    {
        var merged = values.Texts(TrainSettings.MergeAdapter).Select(ModelSession.Parse).ToList();
        var (model, output) = (values.Text(Shared.Model), values.OptionalText(TrainSettings.Output));
        if (values.OptionalText(TrainSettings.Adapter) is not { } folder)
            return new(model, null, OnItsBase(MethodSettings.Config(values), merged, output), merged);
        var config = AdapterFolder.ReadConfig(folder);
        MethodSettings.RequireSame(values, config, folder);
        if (output is not null && IsInside(folder, output))
            throw new UsageException("The output folder holds the adapter that is to be trained further.", output,
                "Give another --output: what is there would be written over.");
        values.Add(MethodSettings.Name, config.Method.Name, RunSetup.Chosen);
        if (config.BaseModel is null) config = config.OnBase(model);
        return new(model, folder, OnItsBase(config, merged, output), merged);
    }

    /// <summary>The folder of a run that goes on training an adapter, where the user names none.</summary>
    public static string DefaultOutput(string adapter)
    {
        var folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(adapter));
        var name = Path.GetFileName(folder);
        var isPart = name == "best" || name.StartsWith("checkpoint-", StringComparison.Ordinal);
        return (isPart ? $"{Path.GetFileName(Path.GetDirectoryName(folder))}-{name}" : name) + "-continued";
    }

    /// <summary>Where the merged base is to be made for those who use the adapter.</summary>
    public static string MergedBase(string output) => Path.Combine(output, "merged-base");

    /// <summary>The folder of the tokenizer: the model's, or that of an adapter that adds tokens.</summary>
    public string TokenizerFolder => AdapterVocabulary.TokenizerFolder(model, Folders);

    /// <summary>The labels for the records: those of the adapter, which its head goes by.</summary>
    /// <exception cref="UsageException">The adapter is for another task.</exception>
    /// <exception cref="DataException">The data has other labels.</exception>
    public LabelVocabulary? LabelsFor(DataPlan data, TransformerConfig config, Terminal terminal)
    {
        if (Adapter is null) return data.FindLabels(config.Labels);
        if (Fitting.Task is { } task && task != data.Task)
            throw new UsageException($"The adapter {Adapter} is for {task.PeftName()}, and these records ask for "
                + $"{data.Task.PeftName()}.", data.Path, "Give records for its task, or train a new adapter.");
        var (own, found) = (Fitting.Labels ?? config.Labels, data.FindLabels(Fitting.Labels ?? config.Labels));
        if (found is null || own.Count == 0) return found;
        if (Fitting.ProblemType is { } problem && problem != found.Problem)
            throw new DataException($"The adapter {Adapter} was trained for {problem.HubName()}, and the labels of the "
                + $"data are for {found.Problem.HubName()}.", data.Path, "Give data of its kind.");
        var strange = data.FindLabels([])!.Names.Except(own).ToList();
        if (found.Count != own.Count || (found.Names.SequenceEqual(own) && Strangers(strange, own).Count > 0))
            throw new DataException($"The data has labels that the adapter {Adapter} does not know: "
                + $"{Clip(Strangers(strange, own))}; it knows {Clip(own)}.", data.Path,
                "Correct the labels, or train a new adapter.");
        if (!found.Names.SequenceEqual(own))
            terminal.Warn($"the files of {Adapter} do not name its labels; they are taken for "
                + $"{Clip(found.Names.Select((name, i) => $"{i}: {name}"))}");
        return found;
    }

    /// <summary>Positions that the adapter takes in front of every sequence.</summary>
    public int LeadingPositions => settings.LeadingPositions;

    /// <summary>What is odd about the adapter, in sentences; empty when all is well.</summary>
    public IEnumerable<string> Doubts(Adapter adapter) => Adapter is null
        ? adapter.Warnings.Concat(adapter.Doubts) : AdapterFolder.Doubts(adapter, Adapter);

    /// <summary>Options of the model with the vocabulary that the adapters ask for.</summary>
    public ModelOptions Complete(ModelOptions asked) =>
        asked with { VocabularySize = Folders.Any() ? Fitting.VocabularySize : null };

    /// <summary>Adds adapters into the base, then makes the adapter or loads it.</summary>
    /// <param name="loaded">The base.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="seed">Where a new adapter starts.</param>
    /// <param name="created">Parameters that the checkpoint lacks, which the adapter must train.</param>
    /// <param name="terminal">Told of what is odd about those that are merged.</param>
    /// <exception cref="ModelFormatException">The adapter cannot train what was created.</exception>
    public Adapter Begin(TransformerModel loaded, HfTokenizer tokenizer, ulong seed, IReadOnlyList<string> created,
        Terminal terminal)
    {
        Merge(loaded, terminal);
        return NewAdapter(loaded, tokenizer, seed, created);
    }

    /// <summary>Makes or loads the adapter, on a base that has had what is merged.</summary>
    /// <exception cref="ModelFormatException">The adapter cannot train what was created.</exception>
    public Adapter NewAdapter(TransformerModel loaded, HfTokenizer tokenizer, ulong seed, IReadOnlyList<string> created)
    {
        var adapter = Adapter is null
            ? CreatedParts.Save(settings.WithTokenizer(tokenizer), loaded, created)
                .Create(loaded, seed, trainable: true, "default")
            : AdapterFolder.Load(loaded, Adapter, settings, trainable: true, "default");
        CreatedParts.Require(adapter, created);
        return adapter;
    }

    /// <summary>What is said of it before the run, as names and texts.</summary>
    public IEnumerable<(string Name, string Text)> Lines(string? output)
    {
        if (Adapter is not null)
            yield return ("starts from", $"{Adapter}: its values and settings, with a new optimizer");
        if (Merged.Count == 0) yield break;
        yield return ("base", $"{model} with {Names(" and ")} merged; the adapter needs that base, which comes from");
        yield return ("", $"peftnative {MergeCommand(output ?? ".")}");
    }

    /// <summary>The command that makes the base of the adapter.</summary>
    public string MergeCommand(string output) => $"merge --model {CommandLine.Quote(model)} "
        + $"{string.Join(' ', Merged.Select(m => $"--adapter {CommandLine.Quote(m.Name)}"))} "
        + $"--output {CommandLine.Quote(MergedBase(output))}";

    private IEnumerable<string> Folders =>
        new[] { Adapter }.OfType<string>().Concat(Merged.Select(m => m.Folder));

    private ModelOptions Fitting => fitting ??= AdapterLabels.OptionsFor([.. Folders], model);

    private string Names(string separator) => string.Join(separator, Merged.Select(m => m.Name));

    private static AdapterConfig OnItsBase(AdapterConfig config, List<AdapterSource> merged, string? output) =>
        merged.Count == 0 || output is null ? config : config.OnBase(MergedBase(output));

    private void Merge(TransformerModel loaded, Terminal terminal)
    {
        var adapters = new List<Adapter>();
        try
        {
            foreach (var source in Merged) adapters.Add(source.Load(loaded, $"merged{adapters.Count}"));
            foreach (var (adapter, source) in adapters.Zip(Merged))
                foreach (var doubt in AdapterFolder.Doubts(adapter, source.Folder)) terminal.Warn(doubt);
            foreach (var clash in Peft.Adapters.Adapter.Clashes(adapters, [.. Merged.Select(m => m.Folder)]))
                terminal.Warn(clash);
            Peft.Adapters.Adapter.Merge(adapters);
            Parts = [.. Merged.Select(m => m.Name).Zip(loaded.Merged)];
        }
        finally
        {
            adapters.ForEach(a => a.Dispose());
        }
    }

    // A number that is no name is the index of a label.
    private static List<string> Strangers(List<string> strange, IReadOnlyList<string> own) =>
        [.. strange.Where(s => !(int.TryParse(s, out var i) && i >= 0 && i < own.Count))];

    private static bool IsInside(string folder, string output)
    {
        var (inner, outer) = (Full(folder), Full(output));
        return inner == outer || inner.StartsWith(outer + Path.DirectorySeparatorChar, StringComparison.Ordinal);

        static string Full(string path) => Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
    }

    private static string Clip(IEnumerable<string> names)
    {
        var list = names.ToList();
        return string.Join(", ", list.Take(8)) + (list.Count > 8 ? $" and {list.Count - 8} more" : "");
    }
}
