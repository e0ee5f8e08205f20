using PeftNative.Data.Records;
using PeftNative.Formats.Recognition;
using PeftNative.Models.Config;
using PeftNative.Models.Families;
using PeftNative.Models.Loading.Stored;
using PeftNative.Peft;
using PeftNative.Peft.Adapters;
using PeftNative.Tokenizers.Chat;

namespace PeftNative.Cli.Inspect;

/// <summary>Whether a verb can do something with a file, and how, or why not.</summary>
internal sealed record Ability(string Verb, bool IsThere, string How);

/// <summary>What this version can do with what was recognised; found out by reading it, as the verbs do.</summary>
internal static class Abilities
{
    private const string Train = "train", Eval = "eval", Predict = "predict", Generate = "generate", Chat = "chat",
        Merge = "merge", Export = "export";

    private static readonly string[] Verbs = [Train, Eval, Predict, Generate, Chat, Merge, Export];

    private const string Pictures = "it belongs to a model of pictures, and this program has language models only";

    /// <summary>An entry for each verb.</summary>
    public static IReadOnlyList<Ability> Of(Recognized found)
    {
        try
        {
            return found.Kind switch
            {
                FileKind.BaseModel or FileKind.GgufModel => OfModel(found.Path, null),
                FileKind.SentenceTransformers when !File.Exists(Path.Combine(found.Path, "config.json")) =>
                    None("its transformer lies in a folder of its own; give that"),
                FileKind.SentenceTransformers => OfModel(found.Path, "its transformer alone; pooling and what follows "
                    + "are not read"),
                FileKind.PeftAdapter or FileKind.HubAdapter or FileKind.Checkpoint or FileKind.Run => OfAdapter(found),
                FileKind.MlxAdapter when Directory.Exists(found.Path) => OfAdapter(found),
                FileKind.Data => OfData(found),
                _ => None(Obstacle(found)),
            };
        }
        catch (PeftNativeException e)
        {
            return None(e.What);
        }
    }

    private static IReadOnlyList<Ability> None(string reason) => [.. Verbs.Select(v => new Ability(v, false, reason))];

    private static List<Ability> OfModel(string path, string? only)
    {
        var config = FamilyTable.Read(path);
        StoredQuantization.Read(path);
        var family = FamilyTable.Find(config.ModelType, path);
        var (writes, isGguf) = (family.Names.LanguageModelHead is not null, GgufConfig.IsFile(path));
        var noText = writes ? null : $"a {config.ModelType} model writes no text";
        var noTokens = isGguf || TokenizerSize.Of(path) is not null ? null : "the folder has no tokenizer";
        var formats = new[] { family.Gguf is null ? null : "gguf-lora", family.MlxNames is null ? null : "mlx" }
            .OfType<string>().ToList();
        var remark = only is null ? "" : $" ({only})";
        return
        [
            Is(Train, noTokens, $"a new adapter: --model {path}{remark}"),
            Is(Eval, noTokens, $"--model, on data with answers{remark}"),
            Is(Predict, noTokens, $"--model, a line for each record{remark}"),
            Is(Generate, noText ?? noTokens, "--model and --prompt"),
            Is(Chat, noText ?? noTokens ?? NoChat(path, config), "--model, in its own chat template"),
            Is(Merge, isGguf ? "adapters are not merged into GGUF files; merge into the safetensors model" : null,
                "--model, with an --adapter to add into it"),
            Is(Export, formats.Count == 0 ? $"no format has a place for adapters of {config.ModelType} models" : null,
                $"a LoRA adapter trained on it, to {string.Join(" or ", formats)}"),
        ];
    }

    private static string? NoChat(string path, TransformerConfig config)
    {
        if (config.Encoder is not null) return $"a {config.ModelType} model turns one text into another";
        try
        {
            return ChatTemplate.Load(path) is null ? "the model has no chat template" : null;
        }
        catch (PeftNativeException e)
        {
            return e.What;
        }
    }

    private static List<Ability> OfAdapter(Recognized found)
    {
        var folder = found.Path;
        if (found.Kind == FileKind.Run && !File.Exists(Path.Combine(folder, AdapterFolder.ConfigName)))
            return [.. None("the run has left no adapter yet; --resume goes on with it")];
        var config = AdapterFolder.ReadConfig(folder);
        var task = ModelTasks.FromPeft(config.TaskType);
        var noText = task is null or ModelTask.CausalLM or ModelTask.SequenceToSequence ? null
            : $"it is for {task.Value.PeftName()}";
        var formats = config.Method.Exports.Select(e => e.Name).ToList();
        var goesOn = found.Kind is FileKind.Checkpoint && found.Detail is null
            ? "--resume goes on with its run, --adapter trains it on other data" : "--adapter goes on training it";
        return
        [
            Is(Train, null, goesOn),
            Is(Eval, null, "--model BASE --adapter, on data with answers"),
            Is(Predict, null, "--model BASE --adapter"),
            Is(Generate, noText, "--model BASE --adapter"),
            Is(Chat, noText ?? (task == ModelTask.SequenceToSequence ? "it turns one text into another" : null),
                "--model BASE --adapter"),
            Is(Merge, config.Method.IsMergeable ? null : "what it trains is no part of any weight",
                "--model BASE --adapter"),
            Is(Export, noText is not null ? $"{noText}, and other programs' formats are for language models"
                : formats.Count == 0 ? $"no format has a place for adapters of the method {config.Method.Name}" : null,
                $"--to {string.Join(" or ", formats)}, if the format has a place for all of it"),
        ];
    }

    private static List<Ability> OfData(Recognized found)
    {
        if (Directory.Exists(found.Path))
            return [.. None("a folder with train.* and valid.* can be given as --data; inspect one of its files")];
        var shape = RecordSource.Open(found.Path, new RecordOptions { ForPrediction = true }).Shape;
        const string none = "it is data; give it with --data to train, eval, predict or data";
        return
        [
            Is(Train, null, $"--data; records of the shape {shape}"), Is(Eval, null, "--data"),
            Is(Predict, null, "--data"), .. Verbs.Skip(3).Select(v => Is(v, none, "")),
        ];
    }

    private static Ability Is(string verb, string? obstacle, string how) =>
        new(verb, obstacle is null, obstacle ?? how);

    private static string Obstacle(Recognized found) => found.Kind switch
    {
        FileKind.ModelWeights => "config.json says what to make of them, and is not there; give a folder with both",
        FileKind.ModelConfig => "the weights are missing (model.safetensors, or shards with an index)",
        FileKind.MlxModel => "weights that mlx has packed are not read; take the model it was made from",
        FileKind.GgufFolder => "give one file of it, of a split model the first",
        FileKind.LlamaOriginal => "names and order of rows are Meta's; convert it with transformers' "
            + "convert_llama_weights_to_hf, or take the Hugging Face form",
        FileKind.PeftWeights or FileKind.HubWeights or FileKind.MlxAdapter =>
            Beside(found.Path, "adapter_config.json") ? "give the folder that it lies in"
            : "adapter_config.json, which has its settings, is not there",
        FileKind.DiffusersLora or FileKind.KohyaLora or FileKind.TextualInversion or FileKind.DiffusionModel
            or FileKind.DiffusersPipeline => Pictures,
        FileKind.GgufLora => "it is written here (export --to gguf-lora), but not read; use the adapter it came from",
        FileKind.Adapters => $"name one of the adapters in it: {found.Detail}",
        FileKind.Onnx => "it is a graph of operations without names of modules; take the model it was exported from",
        FileKind.NumPy or FileKind.Hdf5 => "only safetensors, PyTorch's and GGUF files are read; convert it",
        FileKind.Parquet => "save it as jsonl, json, csv, tsv or txt",
        FileKind.Tokenizer => "there are no weights; give the folder of a model",
        FileKind.Settings => "it is one file of several; give the folder that it lies in",
        FileKind.TorchCheckpoint => "save the dictionary of its tensors alone, or the model with save_pretrained",
        FileKind.OptimizerState => "it belongs to a checkpoint; give that folder",
        FileKind.Tensors => "the names of its tensors are of no model or adapter that is known here",
        _ => "it is nothing that is known here",
    };

    private static bool Beside(string path, string name) =>
        File.Exists(Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, name));
}
