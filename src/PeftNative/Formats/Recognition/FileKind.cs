namespace PeftNative.Formats.Recognition;

/// <summary>What a file or folder is.</summary>
internal enum FileKind
{
    BaseModel, ModelWeights, ModelConfig, MlxModel, GgufModel, GgufFolder, SentenceTransformers, LlamaOriginal,
    PeftAdapter, PeftWeights, HubAdapter, HubWeights, MlxAdapter, DiffusersLora, KohyaLora, GgufLora, Adapters,
    DiffusersPipeline, DiffusionModel, TextualInversion, Onnx, NumPy, Hdf5, Parquet, Tokenizer, Settings,
    TorchCheckpoint, OptimizerState, Checkpoint, Run, Data, Tensors, Unknown,
}

/// <summary>What was recognised at a path.</summary>
/// <param name="Path">The path.</param>
/// <param name="Kind">What it is.</param>
/// <param name="Sign">What shows it: a file, a key, a name of a tensor.</param>
internal sealed record Recognized(string Path, FileKind Kind, string Sign)
{
    /// <summary>More about it, in a few words; null for nothing.</summary>
    internal string? Detail { get; init; }

    /// <summary>The file of tensors that it is, or that was looked into; null where there is none to read.</summary>
    internal string? Weights { get; init; }

    /// <summary>What it is, in words.</summary>
    internal string Title => Kind switch
    {
        FileKind.BaseModel => "model in the form of Hugging Face",
        FileKind.ModelWeights => "weights of a model, without its config.json",
        FileKind.ModelConfig => "settings of a model, without its weights",
        FileKind.MlxModel => "model quantised by mlx",
        FileKind.GgufModel => "GGUF model, as llama.cpp reads it",
        FileKind.GgufFolder => "folder of GGUF files",
        FileKind.SentenceTransformers => "model of sentence-transformers",
        FileKind.LlamaOriginal => "original Llama checkpoint, before it was converted for Hugging Face",
        FileKind.PeftAdapter => "adapter of Hugging Face PEFT",
        FileKind.PeftWeights => "tensors of a PEFT adapter, without its adapter_config.json",
        FileKind.HubAdapter => "adapter of AdapterHub",
        FileKind.HubWeights => "tensors of an AdapterHub adapter, without its adapter_config.json",
        FileKind.MlxAdapter => "adapter of mlx-lm",
        FileKind.DiffusersLora => "LoRA of diffusers, for a model of pictures",
        FileKind.KohyaLora => "LoRA of kohya's scripts, for a model of pictures",
        FileKind.GgufLora => "GGUF LoRA adapter, for llama.cpp's --lora",
        FileKind.Adapters => "folder of several adapters",
        FileKind.DiffusersPipeline => "pipeline of diffusers, a model of pictures",
        FileKind.DiffusionModel => "checkpoint of a diffusion model, a model of pictures",
        FileKind.TextualInversion => "embeddings of textual inversion, for a model of pictures",
        FileKind.Onnx => "ONNX model",
        FileKind.NumPy => "arrays of NumPy",
        FileKind.Hdf5 => "HDF5 file, as Keras writes weights",
        FileKind.Parquet => "Parquet table",
        FileKind.Tokenizer => "tokenizer, without a model",
        FileKind.Settings => "settings file",
        FileKind.TorchCheckpoint => "checkpoint of PyTorch with more than tensors",
        FileKind.OptimizerState => "optimizer state of a training checkpoint",
        FileKind.Checkpoint => "checkpoint of a training run",
        FileKind.Run => "output folder of a training run",
        FileKind.Data => "data file",
        FileKind.Tensors => "file of tensors",
        _ => "nothing that is known here",
    };

    /// <summary>What it may be taken for and is not; null where that goes without saying.</summary>
    internal string? IsNot => Kind switch
    {
        FileKind.MlxModel => "a checkpoint that transformers reads: weights are packed as mlx packs them",
        FileKind.SentenceTransformers => "a plain checkpoint alone: pooling and what follows stand in modules.json",
        FileKind.LlamaOriginal => "the form of Hugging Face: names and the order of rows are Meta's",
        FileKind.MlxAdapter => "PEFT's: matrices are turned round, settings have no peft_type",
        FileKind.HubAdapter => "PEFT's, although the settings file has the same name",
        FileKind.DiffusersLora or FileKind.KohyaLora or FileKind.TextualInversion or FileKind.DiffusionModel
            or FileKind.DiffusersPipeline => "anything for a language model",
        FileKind.GgufLora => "a model: it needs the GGUF model it was made for",
        FileKind.TorchCheckpoint => "a dictionary of tensors alone, which is all that is read of PyTorch's files",
        FileKind.Tokenizer => "a model: there are no weights",
        FileKind.Checkpoint => "the end of a run, unless it is the last",
        _ => null,
    };
}
