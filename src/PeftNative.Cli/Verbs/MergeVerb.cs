using System.Globalization;
using System.Text.Json.Nodes;
using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Cli.Runs;
using PeftNative.Formats.Safetensors;
using PeftNative.Models.Families;
using PeftNative.Peft.Merging;
using PeftNative.Tensors;
using PeftNative.Tokenizers;

namespace PeftNative.Cli.Verbs;

/// <summary>Adds adapters into the base and writes a model that needs none.</summary>
internal sealed class MergeVerb : Verb
{
    private static readonly Setting Output = new("output", SettingKind.Text,
        "New folder for the merged model or adapter.")
    {
        ValueName = "DIR", Aliases = ["output_dir", "save_path"], Group = "What", IsRequired = true,
    };

    private static readonly Setting Type = new("dtype", SettingKind.Text,
        "Type of the stored weights; keep leaves each as it is.")
    {
        Default = "keep", Choices = ["keep", "fp32", "bf16", "fp16"],
    };

    private static readonly Setting ShardSize = new("max_shard_size", SettingKind.Text,
        "Largest weights file, such as 500MB; larger models get shards.")
    {
        Default = "5GB", ValueName = "SIZE",
    };

    private static readonly Setting Keep = new("keep_quantization", SettingKind.Switch,
        "Of a base quantised in its files: quantise again (nf4, fp4, int8) instead of writing it dense.");

    public override string Name => "merge";

    public override string Summary =>
        "adds adapters into the base and writes a model folder; or makes one adapter of several";

    public override string Example => "peftnative merge --model my-model --adapter my-adapter --output my-merged-model";

    public override string Notes =>
        "With --quantization the adapter is merged into the base as it is then, and the result is written "
        + "dequantised.\n"
        + "A base that is quantised in its files becomes dense too, unless --keep_quantization is given.\n"
        + "Onto a .gguf file the folder of the same model is written, with its tokenizer.\n"
        + "What is written is read again and compared with base and adapter; off by more than rounding, it goes.\n"
        + "With --combination_type the output is one adapter:\n  --adapter a:0.7 --adapter b:0.3 --combination_type "
        + "ties --density 0.5";

    public override IReadOnlyList<Setting> Settings =>
    [
        Shared.Model, ModelSession.Adapters with { IsRequired = true }, Output, Type, ShardSize, Keep,
        .. QuantizationSettings.All, .. AdapterCombination.Settings,
        Shared.Seed, Shared.Backend, Shared.Device, Shared.Threads,
    ];

    public override int Run(SettingValues values, Terminal terminal)
    {
        if (values.Has(AdapterCombination.Type))
        {
            values.Refuse([Type, ShardSize, Keep, .. QuantizationSettings.All], "on an adapter made of several",
                "write a model, without --combination_type");
            AdapterCombination.Run(values, values.Text(Output), terminal);
            return 0;
        }
        values.Refuse(AdapterCombination.Settings, "on a merged model", "give a --combination_type");
        using var backend = Machine.CreateBackend(values, DType.Float32);
        using var progress = new ProgressLine(terminal);
        var output = values.Text(Output);
        var quantization = QuantizationSettings.Read(values);
        var model = values.Text(Shared.Model);
        var report = ModelMerger.Merge(backend, model, ModelSession.AdapterSources(values), output,
            new MergeOptions
        {
            Type = values.Text(Type) switch { "fp32" =>
                StoredType.F32, "bf16" => StoredType.BF16, "fp16" => StoredType.F16, _ => null },
            Quantization = quantization, KeepQuantization = values.Switch(Keep),
            TokenizerFiles = GgufConfig.IsFile(model) ? HfTokenizer.FilesOfGguf(model)
                : new Dictionary<string, string>(),
            MaxShardBytes = ParseSize(values.Text(ShardSize), values.OriginOf(ShardSize)),
        }, progress, terminal.Cancellation);
        progress.Clear();
        terminal.Line(
            $"{output}: {report.Changed} tensors changed, {report.Kept} kept, in {string.Join(", ", report.Files)}");
        if (report.Dropped.Count > 0)
            terminal.Line($"left out, because the model has no place for them: {string.Join(", ", report.Dropped)}");
        terminal.Line(
            $"logits, merged against base with adapter: they differ by {Quantity.Number(report.LargestDifference)} at "
                + "most "
            + $"(the largest is {Quantity.Number(report.LargestLogit)}; the adapter moves them by "
            + $"{Quantity.Number(report.LargestChange)})");
        if (quantization is not null)
            terminal.Line(
                $"the base was quantised ({quantization.Type}) as for training; what is written is dequantised, all "
                    + "its linear layers included");
        if (report.Dequantized > 0)
            terminal.Line($"{report.Dequantized} weights, quantised in the base's files, are written dense");
        if (report.QuantizationErrors is { Count: > 0 } errors)
            terminal.Line($"{errors.Count} weights were quantised again, which adds an error of "
                + $"{errors.Average():0.##%} of their size ({errors.Max():0.##%} at most); without "
                + "--keep_quantization there is none");
        if (report.IsUntied)
            terminal.Line("embedding and head, one matrix in the base, are two in the merged model; "
                + "its config.json says tie_word_embeddings false");
        foreach (var doubt in report.Doubts) terminal.Warn(doubt);
        terminal.Object(new JsonObject
        {
            ["output"] = output, ["changed"] = report.Changed, ["kept"] = report.Kept, ["added"] = report.Added,
            ["dropped"] = JsonLines.List(report.Dropped), ["files"] = JsonLines.List(report.Files),
            ["largest_difference"] = JsonLines.Number(report.LargestDifference),
            ["largest_logit"] = JsonLines.Number(report.LargestLogit),
            ["largest_change"] = JsonLines.Number(report.LargestChange), ["untied"] = report.IsUntied,
            ["dequantized"] = report.Dequantized,
            ["quantization_error"] = report.QuantizationErrors.Count == 0
                ? null : JsonLines.Number(report.QuantizationErrors.Max()),
        });
        return 0;
    }

    private static long ParseSize(string text, string where)
    {
        var unit = text.TrimStart([.. "0123456789. "]);
        var factor = unit.ToUpperInvariant() switch { "GB" => 1e9, "MB" => 1e6, "KB" => 1e3, "" or "B" => 1, _ => 0 };
        return factor > 0 && double.TryParse(text[..^unit.Length], NumberStyles.Float, CultureInfo.InvariantCulture,
            out var size) && size * factor is >= 1 and < 1e18
            ? (long)(size * factor)
            : throw new UsageException($"'{text}' is no size.", where, "Write it as 500MB or 5GB.");
    }
}
