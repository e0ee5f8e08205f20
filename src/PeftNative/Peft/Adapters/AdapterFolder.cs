using PeftNative.Formats;
using PeftNative.Formats.Safetensors;
using PeftNative.Formats.Text;
using PeftNative.Models;
using PeftNative.Models.Weights;
using PeftNative.Peft.Bottleneck;
using PeftNative.Tensors;

namespace PeftNative.Peft;

/// <summary>
/// Adapters on disk: adapter_config.json and adapter_model.safetensors (or adapter_model.bin), as Hugging Face PEFT
/// writes and reads them.
/// </summary>
public static class AdapterFolder
{
    /// <summary>Name of the settings file.</summary>
    public const string ConfigName = "adapter_config.json";

    /// <summary>Name of the weights file.</summary>
    public const string WeightsName = "adapter_model.safetensors";

    /// <summary>Names that weights files have: PEFT's, and AdapterHub's two.</summary>
    public static IReadOnlyList<string> WeightsNames { get;
        } = [WeightsName, BottleneckAdapter.AdapterFile, BottleneckAdapter.HeadFile];

    /// <summary>The methods that can be read, as peft_type spells them.</summary>
    public static IReadOnlyList<string> Methods => [.. MethodTable.Readers.Keys, MethodTable.Bottleneck];

    /// <summary>Reads the settings of an adapter folder.</summary>
    /// <exception cref="ModelFormatException">The file is broken, or describes an adapter that is not
    /// supported.</exception>
    public static AdapterConfig ReadConfig(string folder)
    {
        var path = Path.Combine(folder, ConfigName);
        if (!File.Exists(path))
            throw new ModelFormatException($"The folder has no {ConfigName}.", folder,
                "Give the folder of a saved adapter.");
        return ReadConfig(StrictJson.ReadFile(path));
    }

    /// <summary>Reads parsed settings.</summary>
    /// <exception cref="ModelFormatException">They describe an adapter that is not supported.</exception>
    public static AdapterConfig ReadConfig(StrictObject json)
    {
        var method = MethodOf(json)
            ?? throw json.Error("peft_type", "The file does not say which method it is for.",
                "Add \"peft_type\": \"LORA\" if it is one.");
        if (method == MethodTable.Bottleneck) return BottleneckConfig.FromJson(json);
        return MethodTable.Readers.TryGetValue(method, out var read)
            ? read(json)
            : throw json.Error("peft_type", $"The method {method} is not supported.",
                $"Supported: {string.Join(", ", Methods)}.");
    }

    /// <summary>
    /// The method that parsed settings are for, as in <see cref="Methods"/>; null when they do not say.
    /// </summary>
    public static string? MethodOf(StrictObject json) => json.GetOptionalString("peft_type")
        // AdapterHub's file of the same name says it otherwise.
        ?? (json.Has("config") && json.Has("hidden_size") ? MethodTable.Bottleneck : null);

    /// <summary>Whether the settings of a folder give a key a value other than null, false or nothing.</summary>
    internal static bool IsSet(string folder, string key)
    {
        var json = StrictJson.ReadFile(Path.Combine(folder, ConfigName));
        return json.Has(key) && !AdapterConfig.IsOff(json.Element.GetProperty(key));
    }

    /// <summary>
    /// Loads an adapter onto a model. Every parameter must be in its files; what else these hold is in
    /// <see cref="Adapter.Warnings"/>. Tensors of the base that differ from its own count for this adapter alone.
    /// </summary>
    /// <exception cref="ModelFormatException">Files are broken, or do not fit the model; all misfits are
    /// listed.</exception>
    /// <exception cref="NumericException">A tensor holds numbers that are not finite.</exception>
    public static Adapter Load(TransformerModel model, string folder, bool trainable = false, string name = "default")
    {
        var adapter = Create(model, folder, trainable, name);
        try
        {
            if (adapter.Config.IgnoredKeys is { Count: > 0 } keys)
                adapter.Warn($"{ConfigName} has keys that PEFT up to {AdapterConfig.FormatVersion} does not know; "
                    + $"they are passed over: {Message.Clip(string.Join(", ", keys))}");
            Fill(adapter, folder);
            return adapter;
        }
        catch
        {
            adapter.Dispose();
            throw;
        }
    }

    // Settings that a user could have given wrongly are, in a file, a file that does not fit.
    private static Adapter Create(TransformerModel model, string folder, bool trainable, string name)
    {
        try
        {
            return ReadConfig(folder).AsStored().Create(model, seed: 0, trainable, name);
        }
        catch (UsageException e)
        {
            throw new ModelFormatException($"The adapter does not fit this {model.Config.ModelType} model: {e.What}",
                folder,
                BaseIdentity.NamedBase(folder) is { } named
                    ? $"Use its own base, {named}." : "Use the base it was made for.", e);
        }
    }

    /// <summary>
    /// What is odd about an adapter that fits its model: what its files say, another base than it was made for, or
    /// values that change nothing. In sentences; empty when all is well.
    /// </summary>
    /// <param name="adapter">The adapter as it was loaded.</param>
    /// <param name="folder">The folder it was loaded from.</param>
    public static IEnumerable<string> Doubts(Adapter adapter, string folder)
    {
        if (adapter.Model.Folder is { } model && BaseIdentity.Mismatch(folder, model) is { } mismatch)
            yield return $"the adapter {folder} may be for another base: {mismatch}";
        foreach (var warning in adapter.Warnings) yield return $"the adapter {folder}: {warning}";
        foreach (var doubt in adapter.Doubts) yield return $"the adapter {folder}: {doubt}";
        if (adapter.ChangesNothing)
            yield return $"the adapter {folder} changes nothing: its weights are those of an untrained one";
    }

    /// <summary>
    /// Saves an adapter: each file under a temporary name first, so that a killed save leaves the old files whole.
    /// </summary>
    /// <exception cref="StorageException">The folder cannot be written.</exception>
    /// <exception cref="NumericException">A value is not finite; nothing is written.</exception>
    public static void Save(Adapter adapter, string folder)
    {
        var files = TensorFiles(adapter).ToList(); // a value that is not finite shows here
        Directory.CreateDirectory(folder);
        foreach (var (name, tensors) in files) tensors.Save(Path.Combine(folder, name));
        foreach (var (name, text) in TextFiles(adapter)) AtomicFile.WriteText(Path.Combine(folder, name), text);
    }

    /// <summary>The settings files of an adapter.</summary>
    internal static IEnumerable<(string Name, string Text)> TextFiles(Adapter adapter) =>
        adapter.Settings.Select(s => (s.File, PeftJson.Write(s.Json)));

    /// <summary>The weights files of an adapter, ready to be written.</summary>
    internal static IEnumerable<(string Name, SafetensorsWriter Tensors)> TensorFiles(Adapter adapter)
    {
        adapter.Fold();
        return adapter.StoredEntries.Concat(adapter.Carried).GroupBy(e => e.File)
            .Select(g => (g.Key, Tensors(adapter, g, e => e.Key)));
    }

    /// <summary>Parameters of an adapter under chosen names.</summary>
    internal static SafetensorsWriter Tensors(Adapter adapter, IEnumerable<AdapterEntry> entries,
        Func<AdapterEntry, string> name)
    {
        // PEFT says that its file is of PyTorch; AdapterHub says nothing.
        var writer = entries.Any(e => e.File != WeightsName) ? new SafetensorsWriter() : SafetensorsWriter.ForPyTorch();
        foreach (var entry in entries)
        {
            var values = HostValues.Download(adapter.Model.Backend, entry.Parameter.Value);
            if (!Finite.All(values))
                throw new NumericException("The adapter has values that are not finite; it is not saved.", entry.Key,
                    "Lower the learning rate.");
            writer.Add(name(entry), entry.Parameter.StoredShape, StoredOrder.ToFile(entry.Parameter, values));
        }
        return writer;
    }

    /// <summary>Gives an adapter the values of its files.</summary>
    internal static void Fill(Adapter adapter, string folder)
    {
        foreach (var file in adapter.StoredEntries.GroupBy(e => e.File))
        {
            // A head that is the base's own may as well be absent.
            var path = Path.Combine(folder, file.Key);
            if (!file.All(e => e.IsBase) || FindWeights(folder, file.Key) is not null)
                Fill(adapter, file, e => e.Key, path);
        }
    }

    /// <summary>Gives parameters of an adapter the values of a file.</summary>
    internal static void Fill(Adapter adapter, IEnumerable<AdapterEntry> entries, Func<AdapterEntry, string> name,
        string path)
    {
        using var file = Open(path);
        AdapterReader.Read(adapter, file, entries.ToDictionary(name));
    }

    /// <summary>The file with an adapter's weights: under one of <see cref="WeightsNames"/>, or of the names that older
    /// releases of PEFT and AdapterHub gave PyTorch's files; null where there is none.</summary>
    /// <param name="folder">The adapter.</param>
    /// <param name="name">One of <see cref="WeightsNames"/>.</param>
    public static string? FindWeights(string folder, string name = WeightsName)
    {
        var older = name switch
        {
            BottleneckAdapter.AdapterFile => "pytorch_adapter.bin",
            BottleneckAdapter.HeadFile => "pytorch_model_head.bin",
            WeightsName => "adapter_model.bin",
            _ => name,
        };
        return new[] { name, older }.Select(n => Path.Combine(folder, n)).FirstOrDefault(File.Exists);
    }

    private static TensorFile Open(string path)
    {
        var (folder, name) = (Path.GetDirectoryName(path)!, Path.GetFileName(path));
        return Formats.TensorFiles.Open(FindWeights(folder, name) ?? throw new ModelFormatException(
            $"The folder has no {name}.", folder, "Get the file from where the adapter came from."));
    }
}
