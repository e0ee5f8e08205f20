using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Formats.Json;
using PeftNative.Data;
using PeftNative.Data.Inspection;
using PeftNative.Models.Families;
using PeftNative.Models.Loading;
using PeftNative.Peft.Adapters;
using PeftNative.Training.Observing;
using PeftNative.Tensors;

namespace PeftNative.Cli.Runs;

/// <summary>What is about to happen, in a dozen lines: model, data, method, trainable share, steps, memory.</summary>
internal static class StartPanel
{
    // Values, gradients and AdamW's two moments.
    private const int CopiesOfTrainables = 4;

    /// <summary>The lines, as names and texts.</summary>
    public static IEnumerable<(string Name, string Text)> Lines(RunSetup setup, SettingValues values, int stepsPerEpoch,
        int totalSteps)
    {
        var (config, report, adapter) = (setup.Model.Config, setup.Report, setup.Adapter);
        yield return ("model",
            $"{values.Text(Shared.Model)}: {config.ModelType}, {config.LayerCount} layers, {config.HiddenSize} wide, "
            + $"{Quantity.Count(setup.Model.ParameterCount)} parameters");
        foreach (var line in setup.Origin.Lines(values.OptionalText(TrainSettings.Output))) yield return line;
        yield return ("data",
            $"{setup.Data.Path}: {Quantity.Of(report.Records, "record")} ({ShapeName(setup)}), "
                + $"{Quantity.Of(report.Examples, "example")}, "
            + $"{(report.IsEstimated ? "about " : "")}{Quantity.Count(report.Tokens)} tokens, "
            + $"{report.Lengths.Median} in the median, {report.Lengths.Most} at most");
        if (report.MaskedShare is { } masked)
            yield return ("",
                $"{Quantity.Count(report.TrainedTokens!.Value)} tokens are learned, {Quantity.Percent(masked)} are "
                    + "masked");
        if (setup.Labels is { Problem: ProblemType.Regression }) yield return ("labels", "a number per record");
        else if (setup.Labels is not null)
            yield return ("labels", Clip(report.LabelCounts.Select(l => $"{l.Name} {Quantity.Count(l.Count)}")));
        if (setup.Options.ClassWeights is { } weights)
            yield return ("weights",
                Clip(setup.Labels!.Names.Zip(weights, (name, w) => $"{name} {Quantity.Number(w)}")));
        yield return ("evaluation", setup.Eval is { } eval
            ? $"{setup.EvalOrigin}: {Quantity.Of(eval.Examples.Count, "example")}"
            : "none (--eval_data FILE or --val_size 0.1 adds some)");
        yield return ("method", Method(setup, values));
        yield return ("trained",
            $"{Quantity.Count(adapter.ParameterCount)} of {Quantity.Count(adapter.TotalParameterCount)} parameters "
            + $"({Quantity.Percent((double)adapter.ParameterCount / adapter.TotalParameterCount)})");
        yield return ("steps",
            $"{Quantity.Count(totalSteps)} of {setup.Options.BatchSize * setup.Options.GradientAccumulationSteps} "
            + (setup.Options.PackingBudget is null && setup.Train.Rows is null ? "examples" : "packed rows")
            + $" ({Quantity.Count(stepsPerEpoch)} per epoch), "
            + $"learning rate {Quantity.Number(setup.Options.LearningRate)} {setup.Options.LrScheduler}"
            + (values.OriginOf(TrainSettings.LearningRate) == RunSetup.Chosen
                ? ", chosen for this method and model" : ""));
        foreach (var line in setup.Rate is { } search ? RateFinding.Lines(search, totalSteps) : []) yield return line;
        yield return ("memory", Memory(setup));
        yield return ("backend", $"{setup.Backend.Name}: {setup.Backend.Description}");
    }

    /// <summary>What model, adapter and data say of themselves, and a person should know before training.</summary>
    public static IEnumerable<Observation> Observations(LoadReport loaded, Adapter adapter,
        IEnumerable<string> doubts, DataReport report, ITokenizer tokenizer)
    {
        var dropout = UnusedDropout(adapter.Model.Folder!);
        foreach (var (name, texts) in new (string, IEnumerable<string?>)[]
        {
            ("checkpoint", loaded.Doubts), ("adapter", doubts),
            ("data", report.Warnings()), ("dropout-of-the-base", [dropout]),
        })
            foreach (var text in texts.OfType<string>()) yield return new Observation(name, text);
        if (tokenizer.PaddingId is { } pad && pad == tokenizer.EndOfSequenceId
            && adapter.Model.Task == ModelTask.CausalLM)
            yield return new Observation("padding-is-end", "padding and end of text are the same token here; that does "
                + "no harm: padding is never computed, and the end is learned");
    }

    /// <summary>The dropout that a base asks for, which training does not apply, in words; null for none.</summary>
    public static string? UnusedDropout(string modelFolder)
    {
        if (GgufConfig.IsFile(modelFolder)) return null; // no key of such a file says it
        var json = StrictJson.ReadFile(Path.Combine(modelFolder, "config.json"));
        var keys = FamilyTable.Find(json.GetString("model_type"), json.File).DropoutKeys;
        var asked = keys.Select(k => (k.Key, Value: json.GetDouble(k.Key, k.Absent))).Where(d => d.Value > 0)
            .Select(d => $"{d.Key} {Quantity.Number(d.Value)}{(json.Has(d.Key) ? "" : " (by saying nothing)")}")
            .ToList();
        return asked.Count == 0 ? null : $"the base's config.json asks for {string.Join(", ", asked)}, "
            + "which is not applied: only dropout of the method itself is";
    }

    private static string ShapeName(RunSetup setup) => string.Concat(setup.Data.Shape.ToString().Select((c, i) =>
        i > 0 && char.IsUpper(c) ? " + " + char.ToLowerInvariant(c) : char.ToLowerInvariant(c).ToString()));

    private static string Method(RunSetup setup, SettingValues values)
    {
        var name = values.Text(MethodSettings.Name);
        if (setup.Adapter.Summary is { } summary) return $"{name}, {summary}";
        return setup.Origin.Adapter is not null ? $"{name}, {MethodSettings.Describe(setup.Adapter.Config)}"
            : string.Join(", ", MethodSettings.Given(values).Select(s => $"{s.Key} {values.Node(s)}").Prepend(name));
    }

    private static string Memory(RunSetup setup)
    {
        var trained = setup.Adapter.ParameterCount * DTypes.Size(setup.Backend.ParameterType) * CopiesOfTrainables;
        var parameters = setup.Model.Parameters.Where(p => p.TiedTo is null).ToList();
        var weights = parameters.Sum(p => p.Quantized?.Bytes ?? p.Count * DTypes.Size(p.Value.Type));
        var quantized = parameters.Where(p => p.Quantized is not null).ToList();
        List<string> parts = [];
        if (quantized.Count > 0) parts.Add($"{quantized.Count} of them quantised, the largest is {
            Quantity.Bytes(quantized.Max(p => p.Count) * DTypes.Size(setup.Backend.ComputeType))} while it is used");
        if (setup.Model.MappedBytes is > 0 and var mapped)
            parts.Add($"{Quantity.Bytes(mapped)} stay in the mapped file");
        return $"weights {Quantity.Bytes(weights)}{(parts.Count > 0 ? $" ({string.Join("; ", parts)})" : "")}, "
            + $"adapter with gradients and optimizer {Quantity.Bytes(trained)}; "
            + $"the machine has {Quantity.Bytes(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes)}";
    }

    private static string Clip(IEnumerable<string> items)
    {
        var list = items.ToList();
        return string.Join(", ", list.Take(8)) + (list.Count > 8 ? $" and {list.Count - 8} more" : "");
    }
}
