using PeftNative.Formats;
using PeftNative.Models;
using PeftNative.Models.Loading;
using PeftNative.Peft.Ia3;
using PeftNative.Peft.Lora;
using PeftNative.Peft.PrefixTuning;
using PeftNative.Peft.PromptTuning;
using PeftNative.Peft.PTuning;
using PeftNative.Tensors;

namespace PeftNative.Peft;

/// <summary>
/// Adapters on disk: adapter_config.json and adapter_model.safetensors, as Hugging Face PEFT writes and reads them.
/// </summary>
public static class AdapterFolder
{
    /// <summary>Name of the settings file.</summary>
    public const string ConfigName = "adapter_config.json";

    /// <summary>Name of the weights file.</summary>
    public const string WeightsName = "adapter_model.safetensors";

    /// <summary>The methods that can be read, as peft_type spells them.</summary>
    public static IReadOnlyList<string> Methods { get; } = ["LORA", "FULL", "HEAD"];

    /// <summary>Reads the settings of an adapter folder.</summary>
    /// <exception cref="ModelFormatException">The file is broken, or describes an adapter that is not supported.</exception>
    public static AdapterConfig ReadConfig(string folder)
    {
        var path = Path.Combine(folder, ConfigName);
        if (!File.Exists(path))
            throw new ModelFormatException($"The folder has no {ConfigName}.", folder, "Give the folder of a saved adapter.");
        return ReadConfig(StrictJson.ReadFile(path));
    }

    /// <summary>Reads parsed settings.</summary>
    /// <exception cref="ModelFormatException">They describe an adapter that is not supported.</exception>
    public static AdapterConfig ReadConfig(StrictObject json)
    {
        if (!json.Has("peft_type"))
            throw json.Error("peft_type", "The file does not say which method it is for.",
                json.Has("hidden_size") ? "It is an AdapterHub adapter; these cannot be read yet." : "Add \"peft_type\": \"LORA\" if it is one.");
        return json.GetString("peft_type") switch
        {
            "LORA" => LoraConfig.FromJson(json),
            "IA3" => Ia3Config.FromJson(json),
            "PROMPT_TUNING" => PromptTuningConfig.FromJson(json),
            "P_TUNING" => PTuningConfig.FromJson(json),
            "PREFIX_TUNING" => PrefixTuningConfig.FromJson(json),
            "FULL" => new FullConfig { BaseModel = json.GetOptionalString("base_model_name_or_path") },
            "HEAD" => new HeadConfig { BaseModel = json.GetOptionalString("base_model_name_or_path") },
            var other => throw json.Error("peft_type", $"The method {other} is not supported.", "Supported: LORA, IA3, PREFIX_TUNING, PROMPT_TUNING, P_TUNING."),
        };
    }

    /// <summary>Loads an adapter onto a model. Every key must find its place and every place its key.</summary>
    /// <exception cref="ModelFormatException">Files are broken, or do not fit the model; all misfits are listed.</exception>
    public static Adapter Load(TransformerModel model, string folder, bool trainable = false, string name = "default")
    {
        var adapter = ReadConfig(folder).AsStored().Create(model, seed: 0, trainable, name);
        try
        {
            Fill(adapter, folder);
            return adapter;
        }
        catch
        {
            adapter.Dispose();
            throw;
        }
    }

    /// <summary>Saves an adapter: each file under a temporary name first, so that a killed save leaves the old files whole.</summary>
    /// <exception cref="StorageException">The folder cannot be written.</exception>
    public static void Save(Adapter adapter, string folder)
    {
        Directory.CreateDirectory(folder);
        foreach (var (name, tensors) in TensorFiles(adapter)) tensors.Save(Path.Combine(folder, name));
        foreach (var (name, text) in TextFiles(adapter)) AtomicFile.WriteText(Path.Combine(folder, name), text);
    }

    /// <summary>The settings files of an adapter.</summary>
    internal static IEnumerable<(string Name, string Text)> TextFiles(Adapter adapter) =>
        adapter.Settings.Select(s => (s.File, PeftJson.Write(s.Json)));

    /// <summary>The weights files of an adapter, ready to be written.</summary>
    internal static IEnumerable<(string Name, SafetensorsWriter Tensors)> TensorFiles(Adapter adapter)
    {
        adapter.Fold();
        return adapter.StoredEntries.GroupBy(e => e.File).Select(g => (g.Key, Tensors(adapter, g, e => e.Key)));
    }

    /// <summary>Parameters of an adapter under chosen names.</summary>
    internal static SafetensorsWriter Tensors(Adapter adapter, IEnumerable<AdapterEntry> entries, Func<AdapterEntry, string> name)
    {
        var writer = SafetensorsWriter.ForPyTorch();
        foreach (var entry in entries)
        {
            var values = HostValues.Download(adapter.Model.Backend, entry.Parameter.Value);
            writer.Add(name(entry), entry.Parameter.StoredShape, StoredOrder.ToFile(entry.Parameter, values));
        }
        return writer;
    }

    /// <summary>Gives an adapter the values of its files.</summary>
    internal static void Fill(Adapter adapter, string folder)
    {
        foreach (var file in adapter.StoredEntries.GroupBy(e => e.File)) Fill(adapter, file, e => e.Key, Path.Combine(folder, file.Key));
    }

    /// <summary>Gives parameters of an adapter the values of a file.</summary>
    internal static void Fill(Adapter adapter, IEnumerable<AdapterEntry> entries, Func<AdapterEntry, string> name, string path)
    {
        using var file = Open(path);
        var places = entries.ToDictionary(name);
        var problems = new List<string>();
        foreach (var tensor in file.Tensors)
        {
            // In memory the magnitude has a ".weight" that files of some versions keep.
            var key = tensor.Name.EndsWith(".lora_magnitude_vector.weight", StringComparison.Ordinal) ? tensor.Name[..^7] : tensor.Name;
            if (!places.Remove(key, out var entry)) problems.Add($"unexpected: {tensor.Name}");
            else if (!tensor.Shape.AsSpan().SequenceEqual(entry.Parameter.StoredShape))
                problems.Add($"{tensor.Name} is [{string.Join(", ", tensor.Shape)}], expected [{string.Join(", ", entry.Parameter.StoredShape)}]");
            else Read(adapter, file, tensor, entry.Parameter);
        }
        problems.AddRange(places.Keys.Select(k => $"missing: {k}"));
        if (problems.Count > 0)
            throw new ModelFormatException($"The adapter does not fit this {adapter.Model.Config.ModelType} model: "
                + $"{string.Join("; ", problems.Take(8))}{(problems.Count > 8 ? $"; and {problems.Count - 8} more" : "")}.", file.Path,
                "It was made for another base, task or number of labels, or its files do not belong together.");
    }

    private static SafetensorsFile Open(string path)
    {
        if (File.Exists(path)) return SafetensorsFile.Open(path);
        var hasPickle = Directory.EnumerateFiles(Path.GetDirectoryName(path)!, "*.bin").Any();
        throw new ModelFormatException($"The folder has no {Path.GetFileName(path)}.", Path.GetDirectoryName(path), hasPickle
            ? "Its .bin file is a pickle, which can run code and is not read; save it again as safetensors."
            : "Get the file from where the adapter came from.");
    }

    private static void Read(Adapter adapter, SafetensorsFile file, StoredTensor tensor, Parameter parameter)
    {
        var values = new float[parameter.Count];
        file.ReadAs(tensor, values);
        HostValues.Upload(adapter.Model.Backend, StoredOrder.FromFile(parameter, values), parameter.Value);
    }
}
