using System.Text.Json.Nodes;
using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Models.Families;
using PeftNative.Models.Loading;
using PeftNative.Peft;

namespace PeftNative.Cli.Runs;

/// <summary>Whether an adapter can be loaded on a model, and why not, found out by loading it.</summary>
/// <param name="Adapter">The folder.</param>
/// <param name="Model">The model.</param>
/// <param name="Error">What speaks against it; null where it fits.</param>
/// <param name="Doubts">What is odd about it although it fits.</param>
/// <param name="Settings">Its method and settings; null where they cannot be read.</param>
/// <param name="ChangesNothing">Whether the model computes with it what it does without.</param>
internal sealed record FitReport(string Adapter, string Model, PeftNativeException? Error, IReadOnlyList<string> Doubts,
    string? Settings, bool ChangesNothing)
{
    /// <summary>Loads the model for the adapter, and the adapter on it.</summary>
    /// <exception cref="ModelFormatException">The model itself cannot be loaded.</exception>
    public static FitReport Of(SettingValues values, string adapter, string model, Terminal terminal)
    {
        FamilyTable.Read(model); // what is wrong with the model is no fault of the adapter
        string? settings = null;
        ModelOptions options;
        try
        {
            var config = AdapterFolder.ReadConfig(adapter);
            settings = $"{config.Method.Name}, {MethodSettings.Describe(config)}";
            options = AdapterLabels.OptionsFor(adapter, model);
        }
        catch (PeftNativeException e)
        {
            return Failed(e);
        }
        using var backend = Machine.CreateBackend(values);
        using var progress = new ProgressLine(terminal);
        var (loaded, report) = ModelLoader.Load(backend, model,
            options with { Quantization = QuantizationSettings.Read(values) }, progress, terminal.Cancellation);
        using var owner = loaded;
        try
        {
            using var fitting = AdapterFolder.Load(loaded, adapter);
            return new(adapter, model, null, [.. report.Doubts, .. AdapterFolder.Doubts(fitting, adapter)], settings,
                fitting.ChangesNothing);
        }
        catch (PeftNativeException e)
        {
            return Failed(e);
        }

        FitReport Failed(PeftNativeException e) => new(adapter, model, e, [], settings, false);
    }

    /// <summary>Says it.</summary>
    public void Print(Terminal terminal)
    {
        terminal.Line($"{"adapter",-11} {Adapter}" + (Settings is null ? "" : $": {Settings}"));
        foreach (var doubt in Doubts) terminal.WarnOnce(doubt);
        if (Error is not null) terminal.Line($"{"fits",-11} no: {Reason}");
        else
            terminal.Line($"{"fits",-11} yes{(Doubts.Count > 0 ? ", with doubts" : "")}: every tensor of {Model} that "
                + "it names is there, with its shape");
    }

    /// <summary>The same for machines.</summary>
    public JsonObject ToJson() => new()
    {
        ["adapter"] = Adapter, ["model"] = Model, ["fits"] = Error is null, ["reason"] = Error is null ? null : Reason,
        ["what"] = Error?.What, ["where"] = Error?.Where, ["to_do"] = Error?.Remedy,
        ["changes_nothing"] = Error is null ? ChangesNothing : null, ["doubts"] = JsonLines.List(Doubts),
    };

    private string Reason => (Error as ModelFormatException)?.Misfit?.Title() ?? "its files cannot be used";
}
