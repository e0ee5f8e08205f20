using PeftNative.Formats;
using PeftNative.Formats.Json;
using PeftNative.Formats.Recognition;
using PeftNative.Formats.Storage;
using PeftNative.Formats.Text;
using PeftNative.Models;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Adapters.Fitting;

namespace PeftNative.Peft;

/// <summary>
/// Adapters on disk: adapter_config.json and adapter_model.safetensors (or adapter_model.bin), as Hugging Face PEFT
/// writes and reads them.
/// </summary>
public static class AdapterFolder
{
    /// <summary>Name of the settings file.</summary>
    public const string ConfigName = AdapterFiles.ConfigName;

    /// <summary>Name of the weights file.</summary>
    public const string WeightsName = AdapterFiles.WeightsName;

    /// <summary>Names that weights files have: PEFT's, and AdapterHub's two.</summary>
    public static IReadOnlyList<string> WeightsNames { get; } = [.. Files.Select(f => f.Name)];

    private static IEnumerable<MethodFile> Files => Methods.All.SelectMany(m => m.Files).Distinct();

    /// <summary>Reads the settings of an adapter folder.</summary>
    /// <exception cref="ModelFormatException">The file is broken, or describes an adapter that is not
    /// supported.</exception>
    public static AdapterConfig ReadConfig(string folder)
    {
        var path = Path.Combine(folder, ConfigName);
        if (!File.Exists(path)) throw NoAdapter(folder);
        var json = StrictJson.ReadFile(path);
        try
        {
            return ReadConfig(json);
        }
        catch (ModelFormatException e) when (e.Misfit == AdapterMisfit.NotSupported)
        {
            var release = json.GetOptionalString("peft_version");
            if (!MisfitFinder.IsNewer(release)) throw;
            throw new ModelFormatException($"{e.What} PEFT {Message.Clip(release!)} wrote it, and "
                + $"{AdapterConfig.FormatVersion} is the last that is known here.", e.Where, e.Remedy, e)
                .As(AdapterMisfit.NewerFormat);
        }
    }

    // What it is instead, where that is known.
    private static ModelFormatException NoAdapter(string folder)
    {
        if (!Directory.Exists(folder) && !File.Exists(folder))
            return new ModelFormatException("There is no such adapter.", folder, "Check the path.");
        Recognized found;
        try
        {
            found = FileRecognizer.Find(folder);
        }
        catch (PeftNativeException e)
        {
            return new ModelFormatException($"The folder has no {ConfigName}, and {e.What}", e.Where ?? folder,
                "Give the folder of a saved adapter.", e).As(AdapterMisfit.OtherFormat);
        }
        var remedy = found.Kind == FileKind.Adapters
            ? $"Name one of the folders in it: {found.Detail}." : "Give the folder of a saved adapter.";
        return new ModelFormatException($"The folder has no {ConfigName}"
            + (found.Kind == FileKind.Unknown ? "." : $"; what is there: {found.Title} ({found.Sign})."), folder, remedy)
            .As(AdapterMisfit.OtherFormat);
    }

    /// <summary>Reads parsed settings.</summary>
    /// <exception cref="ModelFormatException">They describe an adapter that is not supported.</exception>
    public static AdapterConfig ReadConfig(StrictObject json)
    {
        if (Methods.OfFile(json) is { } method) return method.Read(json);
        throw json.GetOptionalString("peft_type") is { } other
            ? json.Error("peft_type", $"The method {Message.Clip(other)} is not supported.",
                $"Supported: {string.Join(", ", Methods.All.Select(m => m.PeftType))}.").As(AdapterMisfit.NotSupported)
            : json.Error("peft_type", "The file does not say which method it is for.",
                "Add \"peft_type\": \"LORA\" if it is one.");
    }

    /// <summary>The method that parsed settings are for, as peft_type has it; null when they do not say.</summary>
    public static string? MethodOf(StrictObject json) =>
        json.GetOptionalString("peft_type") ?? Methods.OfFile(json)?.PeftType;

    /// <summary>
    /// Loads an adapter onto a model. Every parameter must be in its files; what else these hold is in
    /// <see cref="Adapter.Warnings"/>. Tensors of the base that differ from its own count for this adapter alone.
    /// </summary>
    /// <exception cref="ModelFormatException">Files are broken, or do not fit the model; all misfits are
    /// listed.</exception>
    /// <exception cref="NumericException">A tensor holds numbers that are not finite.</exception>
    public static Adapter Load(TransformerModel model, string folder, bool trainable = false,
        string name = "default") => Load(model, folder, ReadConfig(folder), trainable, name);

    /// <summary>Loads an adapter with settings that say more than its own file.</summary>
    internal static Adapter Load(
        TransformerModel model, string folder, AdapterConfig config, bool trainable, string name)
    {
        var adapter = Create(model, folder, config, trainable, name);
        try
        {
            if (config.IgnoredKeys is { Count: > 0 } keys)
                adapter.Warn($"{ConfigName} has keys that {config.Method.Releases} does not know; "
                    + $"they are passed over: {Message.Clip(string.Join(", ", keys))}");
            AdapterFiles.Fill(adapter, folder);
            if (trainable) adapter.Origin = AdapterDigest.Of(adapter);
            return adapter;
        }
        catch
        {
            adapter.Dispose();
            throw;
        }
    }

    // Settings that a user could have given wrongly are, in a file, a file that does not fit.
    private static Adapter Create(
        TransformerModel model, string folder, AdapterConfig config, bool trainable, string name)
    {
        try
        {
            if (model.Task == ModelTask.FeatureExtraction && ModelTasks.FromPeft(config.TaskType) is { } other
                && other != model.Task)
                throw new UsageException($"it is for {other.PeftName()}, and this model has no head.",
                    remedy: "Load the model for that task.");
            return config.AsStored().Create(model, seed: 0, trainable, name);
        }
        catch (UsageException e)
        {
            using var file = FindWeights(folder) is { } weights ? TensorFiles.Open(weights) : null;
            throw MisfitFinder.Find(model, folder, file, []).ToError(model.Config.ModelType, e.What, folder, folder, e);
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
        if (adapter.Model.Folder is { } model
            && BaseIdentity.Mismatch(folder, model, adapter.Model.Merged) is { } mismatch)
            yield return $"the adapter {folder} may be for another base: {mismatch}";
        var (asked, config) = (ModelTasks.FromPeft(ReadConfig(folder).TaskType), adapter.Model.Config);
        if (asked?.WritesText() == true && asked != config.Task)
            yield return $"the adapter {folder} has the task_type {asked.Value.PeftName()}, and a {config.ModelType} model "
                + $"is used as {config.Task?.PeftName()}";
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
        var files = AdapterFiles.Tensors(adapter).ToList(); // a value that is not finite shows here
        Directory.CreateDirectory(folder);
        foreach (var (name, tensors) in files) tensors.Save(Path.Combine(folder, name));
        foreach (var (name, text) in AdapterFiles.Texts(adapter))
            AtomicFile.WriteText(Path.Combine(folder, name), text);
    }

    /// <summary>The file with an adapter's weights: under one of <see cref="WeightsNames"/>, or of the names that older
    /// releases of PEFT and AdapterHub gave PyTorch's files; null where there is none.</summary>
    /// <param name="folder">The adapter.</param>
    /// <param name="name">One of <see cref="WeightsNames"/>.</param>
    public static string? FindWeights(string folder, string name = WeightsName) =>
        AdapterFiles.Find(folder, Files.First(f => f.Name == name));
}
