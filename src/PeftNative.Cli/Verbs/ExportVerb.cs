using System.Text.Json.Nodes;
using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Cli.Runs;
using PeftNative.Models.Loading;
using PeftNative.Peft;
using PeftNative.Peft.Adapters;

namespace PeftNative.Cli.Verbs;

/// <summary>Writes a LoRA adapter in another program's format.</summary>
internal sealed class ExportVerb : Verb
{
    private static IEnumerable<AdapterExport> Formats =>
        Methods.All.SelectMany(m => m.Exports).DistinctBy(e => e.Name);

    private static readonly Setting To = new("to", SettingKind.Text,
        $"{string.Join("; ", Formats.Select(e => $"{e.Name}: {e.Help}"))}.")
    {
        Choices = [.. Formats.Select(e => e.Name)], Group = "What", IsRequired = true,
    };

    private static readonly Setting Output = new("output", SettingKind.Text, "The new file or folder.")
    {
        ValueName = "PATH", Group = "What", IsRequired = true, Aliases = ["outfile"],
    };

    private static readonly Setting Type = new("outtype", SettingKind.Text,
        "Type of the numbers in a GGUF file.") { Default = "f32", Choices = ["f32", "f16"] };

    public override string Name => "export";

    public override string Summary => "writes a LoRA adapter for llama.cpp or mlx-lm";

    public override string Example =>
        "peftnative export --model my-model --adapter my-lora --to gguf-lora --output my-lora.gguf";

    public override string Notes =>
        "A whole model without an adapter comes from merge; its folder is what other programs convert.";

    public override IReadOnlyList<Setting> Settings =>
        [Shared.Model, ModelSession.Adapters with { IsRequired = true, IsRepeatable = false, ValueName = "DIR",
            Help = "Folder of the adapter." }, To, Output, Type];

    public override int Run(SettingValues values, Terminal terminal)
    {
        var (folder, source, output) =
            (values.Text(Shared.Model), values.Text(ModelSession.Adapters), values.Text(Output));
        if (!Formats.First(e => e.Name == values.Text(To)).TakesType)
            values.Refuse([Type], $"on {values.Text(To)}",
                $"use --to {string.Join(" or ", Formats.Where(e => e.TakesType).Select(e => e.Name))}");
        using var backend = Backends.BackendFactory.Create("reference");
        var (model, loaded) = ModelLoader.Load(backend, folder, AdapterLabels.OptionsFor(source, folder),
            cancellation: terminal.Cancellation);
        using var owner = model;
        foreach (var doubt in loaded.Doubts) terminal.Warn(doubt);
        using var adapter = AdapterFolder.Load(model, source);
        var format = adapter.Config.Method.Exports.FirstOrDefault(e => e.Name == values.Text(To))
            ?? throw new UsageException(
                $"Only {Able(values.Text(To))} adapters have a form in other programs' formats, "
                    + $"not {adapter.Config.PeftType}.", source,
                adapter.MergeRefusal is null ? "Merge the adapter into the base and convert the whole model instead."
                    : "Use it here, or train with --method lora.");
        foreach (var doubt in AdapterFolder.Doubts(adapter, source)) terminal.Warn(doubt);
        var (modules, with) = format.Write(adapter, output, values.Text(Type) == "f16");
        terminal.Line($"{output}: {Quantity.Of(modules, "module")} with {with}");
        terminal.Object(new JsonObject { ["output"] = output, ["format"] = format.Name, ["modules"] = modules });
        return 0;
    }

    private static string Able(string format) => string.Join(" and ",
        Methods.All.Where(m => m.Exports.Any(e => e.Name == format)).Select(m => m.Title));
}
