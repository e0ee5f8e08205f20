using System.Globalization;
using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Models;
using PeftNative.Models.Loading;
using PeftNative.Ops;
using PeftNative.Peft;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Merging;
using PeftNative.Quantization;
using PeftNative.Tokenizers;

namespace PeftNative.Cli.Runs;

/// <summary>A model in use, with its tokenizer and the adapters on it.</summary>
internal sealed class ModelSession : IDisposable
{
    public static readonly Setting Adapters = new("adapter", SettingKind.Text,
        "Folder of an adapter, with :SCALE to weigh it; may be given several times.")
    {
        ValueName = "DIR[:SCALE]", Aliases = ["adapter_name_or_path", "lora"], Group = "What", IsRepeatable = true,
    };

    /// <summary>The same where records or questions choose among adapters.</summary>
    public static readonly Setting ChosenAdapters = Adapters with
    {
        Help = "Folder of an adapter, with :SCALE to weigh it; may be given several times. With a NAME it is used "
            + "where it is asked for.",
        ValueName = "[NAME=]DIR[:SCALE]",
    };

    private ModelSession(IBackend backend, TransformerModel model, HfTokenizer tokenizer, List<Adapter> loaded,
        IReadOnlyList<AdapterChoice> choices) =>
        (Backend, Model, Tokenizer, Loaded, Choices) = (backend, model, tokenizer, loaded, choices);

    /// <summary>The folder of the tokenizer and the chat template: the model's, or that of an adapter that adds
    /// tokens.</summary>
    public required string TokenizerFolder { get; init; }

    /// <summary>The probability from which each label counts; null for one half.</summary>
    public IReadOnlyList<double>? Thresholds { get; private init; }

    /// <summary>Computes.</summary>
    public IBackend Backend { get; }

    /// <summary>The base.</summary>
    public TransformerModel Model { get; }

    /// <summary>Its tokenizer.</summary>
    public HfTokenizer Tokenizer { get; }

    /// <summary>All adapters.</summary>
    public IReadOnlyList<Adapter> Loaded { get; }

    /// <summary>The adapters that have names, to choose from; empty where none has.</summary>
    public IReadOnlyList<AdapterChoice> Choices { get; }

    /// <summary>
    /// The adapters in force from the beginning: all of them, but none where they are chosen by name.
    /// </summary>
    public IReadOnlyList<Adapter> Active => Choices.Count > 0 ? [] : Loaded;

    /// <summary>Loads what --model and --adapter name.</summary>
    /// <param name="values">The settings.</param>
    /// <param name="terminal">Told of what is odd.</param>
    /// <param name="options">How the model is loaded; null for what the first adapter asks for.</param>
    /// <param name="byName">Whether adapters may have names to choose them by.</param>
    public static ModelSession Open(SettingValues values, Terminal terminal, ModelOptions? options = null,
        bool byName = false)
    {
        var folder = values.Text(Shared.Model);
        var named = byName ? NamedSources(values) : [.. AdapterSources(values).Select(s => ((string?)null, s))];
        List<AdapterSource> sources = [.. named.Select(n => n.Source)];
        List<string> folders = [.. sources.Select(s => s.Folder)];
        var fitting = AdapterLabels.OptionsFor(folders, folder);
        options = (options ?? fitting) with
        {
            Quantization = QuantizationFor(folders, values, terminal), VocabularySize = fitting.VocabularySize,
        };
        using var progress = new ProgressLine(terminal);
        progress.Show($"loading {folder}");
        var tokenizerFolder = AdapterVocabulary.TokenizerFolder(folder, folders);
        var tokenizer = HfTokenizer.Load(tokenizerFolder);
        var backend = Machine.CreateBackend(values);
        TransformerModel? model = null;
        var adapters = new List<Adapter>();
        try
        {
            (model, var report) = ModelLoader.Load(backend, folder, options, progress, terminal.Cancellation);
            foreach (var doubt in report.Doubts) terminal.Warn(doubt);
            if (tokenizer.VocabularySize > model.Config.VocabularySize)
                terminal.Warn(
                    $"the tokenizer knows {tokenizer.VocabularySize} tokens, the model {model.Config.VocabularySize}; "
                        + "texts with the others fail");
            foreach (var source in sources)
            {
                terminal.Cancellation.ThrowIfCancellationRequested();
                adapters.Add(source.Load(model, adapters.Count == 0 ? "default" : $"adapter{adapters.Count}"));
                foreach (var doubt in AdapterFolder.Doubts(adapters[^1], source.Folder)) terminal.Warn(doubt);
            }
            if (!byName)
                foreach (var clash in Adapter.Clashes(adapters, [.. sources.Select(s => s.Folder)]))
                    terminal.Warn(clash);
            var choices = named.Zip(adapters).Where(p => p.First.Name is not null)
                .Select(p => new AdapterChoice(p.First.Name!, p.Second,
                    AdapterChoice.LabelsOf(p.First.Source.Folder, model))
                {
                    Thresholds = AdapterLabels.ThresholdsOf(p.First.Source.Folder),
                }).ToList();
            WarnOfRandomHead(report, adapters, choices.Count > 0, terminal);
            return new ModelSession(backend, model, tokenizer, adapters, choices)
            {
                TokenizerFolder = tokenizerFolder,
                Thresholds = folders.Count == 0 || choices.Count > 0 ? null : AdapterLabels.ThresholdsOf(folders[0]),
            };
        }
        catch
        {
            adapters.ForEach(a => a.Dispose());
            model?.Dispose();
            backend.Dispose();
            throw;
        }
    }

    /// <summary>The adapters that --adapter names, for verbs that use all of them together.</summary>
    /// <exception cref="UsageException">One has a name to choose it by.</exception>
    public static IReadOnlyList<AdapterSource> AdapterSources(SettingValues values)
    {
        var sources = NamedSources(values);
        if (sources.FirstOrDefault(s => s.Name is not null).Name is { } name)
            throw new UsageException($"The adapter '{name}' has a name, but nothing here chooses by names.",
                "--adapter", "Write --adapter DIR; predict and chat choose by names.");
        return [.. sources.Select(s => s.Source)];
    }

    /// <summary>The adapters that --adapter names, each with the name it is chosen by, or null.</summary>
    /// <exception cref="UsageException">Some have names and others have none, or two have the same.</exception>
    public static IReadOnlyList<(string? Name, AdapterSource Source)> NamedSources(SettingValues values)
    {
        var named = values.Texts(Adapters).Select(SplitName).ToList();
        if (named.Any(n => n.Name is null) && named.Any(n => n.Name is not null))
            throw new UsageException("Some adapters have names and others have none.", "--adapter",
                "Write NAME=DIR for all of them, or DIR for all.");
        foreach (var twice in named.Where(n => n.Name is not null).GroupBy(n => n.Name).Where(g => g.Count() > 1))
            throw new UsageException($"Two adapters are named '{twice.Key}'.", "--adapter",
                "Give each a name of its own.");
        return [.. named.Select(n => (n.Name, Parse(n.Folder)))];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var adapter in Loaded) adapter.Dispose();
        Model.Dispose();
        Backend.Dispose();
    }

    /// <summary>
    /// How the base is quantised: as the settings ask or, where they say nothing, as it was when the first of the
    /// adapters was trained.
    /// </summary>
    public static QuantizationOptions? QuantizationFor(IReadOnlyList<string> folders, SettingValues values,
        Terminal terminal)
    {
        var asked = QuantizationSettings.Read(values);
        if (folders.Count == 0 || QuantizationSettings.All.Any(values.Has)) return asked;
        if (BaseIdentity.QuantizationOf(folders[0]) is not { } trained) return asked;
        terminal.Note($"the base is quantised ({trained.Type.ToString().ToLowerInvariant()}), as it was when "
            + $"{folders[0]} was trained; --quantization none takes it whole");
        return trained;
    }

    // An equals sign may belong to the path.
    private static (string? Name, string Folder) SplitName(string text)
    {
        var at = text.IndexOf('=', StringComparison.Ordinal);
        return at <= 0 || Directory.Exists(text) || text.AsSpan(0, at).ContainsAny("/\\")
            ? (null, text) : (text[..at], text[(at + 1)..]);
    }

    // A colon may belong to the path (C:\...), so what follows must be a number and the whole must not be a folder.
    internal static AdapterSource Parse(string text)
    {
        var colon = text.LastIndexOf(':');
        if (colon <= 0 || Directory.Exists(text)) return new AdapterSource(text);
        return double.TryParse(text.AsSpan(colon + 1), NumberStyles.Float, CultureInfo.InvariantCulture, out var scale)
            && double.IsFinite(scale)
            ? new AdapterSource(text[..colon], scale) : new AdapterSource(text);
    }

    private static void WarnOfRandomHead(LoadReport report, List<Adapter> adapters, bool areChosen, Terminal terminal)
    {
        var brought = adapters.SelectMany(a => a.Entries).Select(e => e.Parameter.Name).ToHashSet();
        var random = report.Created.Where(name => areChosen || !brought.Contains(name)).ToList();
        if (random.Count > 0)
            terminal.Warn(
                $"the checkpoint lacks {string.Join(", ", random)}; {(random.Count == 1 ? "it starts" : "they start")} "
                    + "from random numbers"
                + (areChosen ? ", which count where no adapter is chosen" : ""));
    }
}
