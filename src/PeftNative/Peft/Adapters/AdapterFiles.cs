using PeftNative.Formats;
using PeftNative.Formats.Json;
using PeftNative.Formats.Safetensors;
using PeftNative.Models.Weights;
using PeftNative.Tensors;

namespace PeftNative.Peft.Adapters;

/// <summary>The files of an adapter, whatever its method: how they are called, written and read.</summary>
internal static class AdapterFiles
{
    internal const string ConfigName = "adapter_config.json", WeightsName = "adapter_model.safetensors";

    /// <summary>The weights of PEFT's methods.</summary>
    internal static MethodFile Weights { get; } = new(WeightsName, "adapter_model.bin");

    /// <summary>A file under its name or the one that older releases gave it; null where there is none.</summary>
    internal static string? Find(string folder, MethodFile file) =>
        new[] { file.Name, file.Older }.Select(n => Path.Combine(folder, n)).FirstOrDefault(File.Exists);

    /// <summary>The settings files of an adapter.</summary>
    internal static IEnumerable<(string Name, string Text)> Texts(Adapter adapter) =>
        adapter.Settings.Select(s => (s.File, PeftJson.Write(s.Json)));

    /// <summary>The weights files of an adapter, ready to be written.</summary>
    internal static IEnumerable<(string Name, SafetensorsWriter Tensors)> Tensors(Adapter adapter)
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
        using var foreign = adapter.Config.Method.OpenForeign(folder, adapter.Model);
        if (foreign is not null)
        {
            AdapterReader.Read(adapter, foreign, adapter.StoredEntries.ToDictionary(e => e.Key));
            return;
        }
        foreach (var entries in adapter.StoredEntries.GroupBy(e => e.File))
        {
            var file = adapter.Config.Method.Files.First(f => f.Name == entries.Key);
            // A head that is the base's own may as well be absent.
            if (Find(folder, file) is { } path) Fill(adapter, entries, e => e.Key, path);
            else if (!entries.All(e => e.IsBase)) throw Missing(folder, file.Name);
        }
    }

    /// <summary>Gives parameters of an adapter the values of a file.</summary>
    internal static void Fill(Adapter adapter, IEnumerable<AdapterEntry> entries, Func<AdapterEntry, string> name,
        string path)
    {
        if (!File.Exists(path)) throw Missing(Path.GetDirectoryName(path)!, Path.GetFileName(path));
        using var file = TensorFiles.Open(path);
        AdapterReader.Read(adapter, file, entries.ToDictionary(name));
    }

    private static ModelFormatException Missing(string folder, string name) =>
        new ModelFormatException($"The folder has no {name}.", folder, "Get the file from where the adapter came from.")
            .As(AdapterMisfit.Incomplete);
}
