using PeftNative.Formats.Json;

namespace PeftNative.Formats.Recognition;

/// <summary>Recognises folders by the files in them.</summary>
internal static class FolderRecognizer
{
    private const string Config = "config.json", AdapterConfig = "adapter_config.json", State = "trainer_state.json";

    private static readonly string[] Weights =
        ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"];

    private static readonly string[] WeightPatterns = ["*.safetensors", "*.bin", "*.pth", "*.pt", "*.ckpt"];

    private static readonly string[] PictureLoras = ["pytorch_lora_weights.safetensors", "pytorch_lora_weights.bin"];

    internal static Recognized Find(string folder)
    {
        bool Has(string name) => File.Exists(Path.Combine(folder, name));
        Recognized Is(FileKind kind, string sign) => new(folder, kind, sign);
        if (Checkpoints(folder).Any()) return Is(FileKind.Run, Path.GetFileName(Checkpoints(folder).First()) + "/");
        if (Has(AdapterConfig)) return OfAdapter(folder);
        if (Has("model_index.json")) return Is(FileKind.DiffusersPipeline, "model_index.json");
        if (Has("modules.json")) return Is(FileKind.SentenceTransformers, "modules.json");
        if (PictureLoras.FirstOrDefault(Has) is { } lora)
            return Is(FileKind.DiffusersLora, lora) with { Weights = Path.Combine(folder, lora) };
        if (Has("adapters.safetensors"))
            return Is(FileKind.MlxAdapter, "adapters.safetensors") with { Detail = "adapter_config.json is missing" };
        if (Has(Config) && Weights.Any(Has)) return OfModel(folder);
        if (Files(folder, "consolidated.*.pth").FirstOrDefault() is { } original)
            return Is(FileKind.LlamaOriginal, Path.GetFileName(original));
        var inside = Directory.EnumerateDirectories(folder).Where(d => File.Exists(Path.Combine(d, AdapterConfig)))
            .Select(d => Path.GetFileName(d)).Order(StringComparer.Ordinal).ToList();
        if (inside.Count > 0)
            return Is(FileKind.Adapters, $"{inside[0]}/{AdapterConfig}") with { Detail = string.Join(", ", inside) };
        if (Files(folder, "*.gguf").Order(StringComparer.Ordinal).FirstOrDefault() is { } gguf)
            return Is(FileKind.GgufFolder, Path.GetFileName(gguf));
        if (Files(folder, "*.onnx").Concat(Files(Path.Combine(folder, "onnx"), "*.onnx")).FirstOrDefault() is { } onnx)
            return Is(FileKind.Onnx, Path.GetRelativePath(folder, onnx));
        if (OnlyWeights(folder) is { } weights)
            return FileRecognizer.OfFile(weights) is var found && found.Kind == FileKind.ModelWeights && Has(Config)
                ? OfModel(folder) : found with
                {
                    Path = folder, Sign = $"{Path.GetFileName(weights)}: {found.Sign}",                };
        if (Has(Config)) return Is(FileKind.ModelConfig, Config);
        if (Files(folder, "*").FirstOrDefault(FileRecognizer.IsTokenizer) is { } tokenizer)
            return Is(FileKind.Tokenizer, Path.GetFileName(tokenizer));
        if (Files(folder, "*").FirstOrDefault(IsData) is { } data) return Is(FileKind.Data, Path.GetFileName(data));
        return Is(FileKind.Unknown, "none of its files say");
    }

    /// <summary>The checkpoints in an output folder, oldest first.</summary>
    internal static IEnumerable<string> Checkpoints(string path) =>
        Directory.EnumerateDirectories(path, "checkpoint-*").Where(d => File.Exists(Path.Combine(d, State)))
            .OrderBy(d => int.TryParse(d[(d.LastIndexOf('-') + 1)..], out var step) ? step : 0);

    private static Recognized OfAdapter(string folder)
    {
        var json = StrictJson.ReadFile(Path.Combine(folder, AdapterConfig));
        if (!json.Has("peft_type") && (json.Has("lora_parameters") || json.Has("fine_tune_type")))
            return new(folder, FileKind.MlxAdapter, "lora_parameters in adapter_config.json");
        if (!json.Has("peft_type") && json.Has("config") && json.Has("hidden_size"))
            return new(folder, FileKind.HubAdapter, "hidden_size and config in adapter_config.json");
        var kind = File.Exists(Path.Combine(folder, "config.resolved.yaml")) ? FileKind.Run
            : File.Exists(Path.Combine(folder, State)) ? FileKind.Checkpoint : FileKind.PeftAdapter;
        var sign = json.GetOptionalString("peft_type") is { } type
            ? $"peft_type {Text.Message.Clip(type)} in adapter_config.json" : AdapterConfig;
        return new(folder, kind, sign)
        {
            Detail = kind == FileKind.Checkpoint && File.Exists(Path.Combine(folder, "optimizer.pt"))
                ? "of transformers' Trainer; its adapter can be used, its run not be resumed here" : null,
        };
    }

    private static Recognized OfModel(string folder)
    {
        var json = StrictJson.ReadFile(Path.Combine(folder, Config));
        // transformers spells it quantization_config.
        return json.Has("quantization") ? new(folder, FileKind.MlxModel, "quantization in config.json")
            : new(folder, FileKind.BaseModel, Config) { Detail = json.GetOptionalObject("quantization_config") is { } q
                ? $"quantised: {q.GetOptionalString("quant_method") ?? "in a way that is not named"}" : null };
    }

    // Where the weights have a name of their own.
    private static string? OnlyWeights(string folder) =>
        WeightPatterns.Select(p => Files(folder, p)
            .Where(f => Path.GetFileName(f) is not ("training_args.bin" or "optimizer.pt" or "scheduler.pt"))
            .OrderByDescending(f => new FileInfo(f).Length).FirstOrDefault()).FirstOrDefault(f => f is not null);

    private static bool IsData(string file) => Path.GetExtension(file).ToLowerInvariant()
        is ".jsonl" or ".ndjson" or ".csv" or ".tsv" or ".parquet" or ".txt" or ".json";

    private static IEnumerable<string> Files(string folder, string pattern) =>
        Directory.Exists(folder) ? Directory.EnumerateFiles(folder, pattern) : [];
}
