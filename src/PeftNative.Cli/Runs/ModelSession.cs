using System.Globalization;
using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Models;
using PeftNative.Models.Loading;
using PeftNative.Ops;
using PeftNative.Peft;
using PeftNative.Peft.Merging;
using PeftNative.Tokenizers;

namespace PeftNative.Cli.Runs;

/// <summary>A model in use, with its tokenizer and the adapters on it.</summary>
internal sealed class ModelSession : IDisposable
{
    public static readonly Setting Adapters = new("adapter", SettingKind.Text, "Folder of an adapter, with :SCALE to weigh it; may be given several times.")
    {
        ValueName = "DIR[:SCALE]", Aliases = ["adapter_name_or_path", "lora"], Group = "What", IsRepeatable = true,
    };

    private ModelSession(IBackend backend, TransformerModel model, HfTokenizer tokenizer, List<Adapter> active) =>
        (Backend, Model, Tokenizer, Active) = (backend, model, tokenizer, active);

    /// <summary>Computes.</summary>
    public IBackend Backend { get; }

    /// <summary>The base.</summary>
    public TransformerModel Model { get; }

    /// <summary>Its tokenizer.</summary>
    public HfTokenizer Tokenizer { get; }

    /// <summary>The adapters in force.</summary>
    public IReadOnlyList<Adapter> Active { get; }

    /// <summary>Loads what --model and --adapter name.</summary>
    public static ModelSession Open(SettingValues values, Terminal terminal, ModelOptions? options = null)
    {
        var folder = values.Text(Shared.Model);
        var sources = AdapterSources(values);
        options ??= sources.Count > 0 ? AdapterLabels.OptionsFor(sources[0].Folder, folder) : new ModelOptions();
        options = options with { Quantization = QuantizationSettings.Read(values) };
        using var progress = new ProgressLine(terminal);
        progress.Show($"loading {folder}");
        var tokenizer = HfTokenizer.Load(folder);
        var backend = Machine.CreateBackend(values);
        TransformerModel? model = null;
        var adapters = new List<Adapter>();
        try
        {
            (model, var report) = ModelLoader.Load(backend, folder, options);
            if (tokenizer.VocabularySize > model.Config.VocabularySize)
                terminal.Warn($"the tokenizer knows {tokenizer.VocabularySize} tokens, the model {model.Config.VocabularySize}; texts with the others fail");
            foreach (var source in sources)
            {
                terminal.Cancellation.ThrowIfCancellationRequested();
                adapters.Add(source.Load(model, adapters.Count == 0 ? "default" : $"adapter{adapters.Count}"));
            }
            WarnOfRandomHead(report, adapters, terminal);
            return new ModelSession(backend, model, tokenizer, adapters);
        }
        catch
        {
            adapters.ForEach(a => a.Dispose());
            model?.Dispose();
            backend.Dispose();
            throw;
        }
    }

    /// <summary>The adapters that --adapter names.</summary>
    public static IReadOnlyList<AdapterSource> AdapterSources(SettingValues values) => [.. values.Texts(Adapters).Select(Parse)];

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var adapter in Active) adapter.Dispose();
        Model.Dispose();
        Backend.Dispose();
    }

    // A colon may belong to the path (C:\...), so what follows must be a number and the whole must not be a folder.
    private static AdapterSource Parse(string text)
    {
        var colon = text.LastIndexOf(':');
        if (colon <= 0 || Directory.Exists(text)) return new AdapterSource(text);
        return double.TryParse(text.AsSpan(colon + 1), NumberStyles.Float, CultureInfo.InvariantCulture, out var scale) && double.IsFinite(scale)
            ? new AdapterSource(text[..colon], scale) : new AdapterSource(text);
    }

    private static void WarnOfRandomHead(LoadReport report, List<Adapter> adapters, Terminal terminal)
    {
        var brought = adapters.SelectMany(a => a.Entries).Select(e => e.Parameter.Name).ToHashSet();
        var random = report.Created.Where(name => !brought.Contains(name)).ToList();
        if (random.Count > 0)
            terminal.Warn($"the checkpoint lacks {string.Join(", ", random)}; {(random.Count == 1 ? "it starts" : "they start")} from random numbers");
    }
}
