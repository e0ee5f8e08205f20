using PeftNative.Formats.Gguf;
using PeftNative.Formats.Json;
using PeftNative.Formats.Text;

namespace PeftNative.Formats.Recognition;

/// <summary>Recognises files by what is in them, not only by their names. Nothing is run.</summary>
internal static class FileRecognizer
{
    private const long MostJson = 64L << 20;

    /// <summary>What is looked for, for those whose file is none of it.</summary>
    internal const string LookedFor = "safetensors, GGUF, PyTorch (.bin, .pt, .pth, .ckpt), ONNX, NumPy and HDF5 "
        + "files; json, jsonl, csv, tsv, txt and Parquet data; settings and tokenizer files; and in folders "
        + "config.json, adapter_config.json, model_index.json, modules.json, params.json, trainer_state.json, "
        + "files of weights";

    /// <summary>Recognises a file or a folder.</summary>
    /// <exception cref="ModelFormatException">It is of a known kind and damaged.</exception>
    /// <exception cref="StorageException">There is nothing at the path, or it cannot be read.</exception>
    internal static Recognized Find(string path)
    {
        if (Directory.Exists(path) || (!File.Exists(path) && AtomicFolder.Recover(path)))
            return FolderRecognizer.Find(path);
        if (!File.Exists(path))
            throw new StorageException("There is no such file or folder.", path, "Check the path.");
        return OfFile(path);
    }

    /// <summary>Recognises a file.</summary>
    internal static Recognized OfFile(string path)
    {
        var head = Head(path);
        if (head.AsSpan().StartsWith("GGUF"u8)) return OfGguf(path);
        if (head is [0x89, (byte)'H', (byte)'D', (byte)'F', ..]) return new(path, FileKind.Hdf5, "its first bytes");
        if (head.AsSpan().StartsWith("PAR1"u8)) return new(path, FileKind.Parquet, "its first bytes");
        if (head is [0x93, (byte)'N', (byte)'U', (byte)'M', ..]) return new(path, FileKind.NumPy, "its first bytes");
        return Path.GetExtension(path).ToLowerInvariant() switch
        {
            ".safetensors" or ".sft" => OfTensors(path),
            ".onnx" => new(path, FileKind.Onnx, "its name"),
            ".npz" => new(path, FileKind.NumPy, "its name"),
            ".bin" or ".pt" or ".pth" or ".ckpt" => OfTorch(path, head),
            ".json" => OfJson(path),
            ".jsonl" or ".ndjson" or ".csv" or ".tsv" or ".txt" when !IsTokenizer(path) =>
                new(path, FileKind.Data, "its name"),
            _ when IsTokenizer(path) => new(path, FileKind.Tokenizer, "its name"),
            _ when IsOnnx(head) => new(path, FileKind.Onnx, "its first bytes"),
            _ when IsTorch(head) => OfTorch(path, head),
            _ when IsSafetensors(head) => OfTensors(path),
            _ => ForeignFile.Recognise(head, path) is { } error ? throw error
                : new(path, FileKind.Unknown, "neither its name nor its first bytes say"),
        };
    }

    /// <summary>Whether a file belongs to a tokenizer.</summary>
    internal static bool IsTokenizer(string path) => Path.GetFileName(path) is "tokenizer.json" or "tokenizer.model"
        or "vocab.txt" or "merges.txt" or "vocab.json" or "spiece.model" or "sentencepiece.bpe.model"
        or "tokenizer_config.json" or "special_tokens_map.json" or "added_tokens.json";

    private static Recognized OfTensors(string path)
    {
        using var file = TensorFiles.Open(path);
        var (kind, sign) = TensorNames.Of(file.Tensors);
        return new(path, kind, sign) { Weights = path };
    }

    private static Recognized OfGguf(string path)
    {
        using var file = GgufFile.Open(path);
        var (type, name) = (file.Values.Text("general.type"), file.Values.Text("general.architecture"));
        return new(path, type == "adapter" ? FileKind.GgufLora : FileKind.GgufModel, "its first bytes")
        {
            Detail = name is null ? null : $"architecture {Message.Clip(name)}", Weights = path,
        };
    }

    // What is more than tensors is known by that: it is refused where it is read.
    private static Recognized OfTorch(string path, byte[] head)
    {
        if (!IsTorch(head))
        {
            if (ForeignFile.Recognise(head, path) is { } error) throw error;
            return IsOnnx(head) ? new(path, FileKind.Onnx, "its first bytes")
                : new(path, FileKind.Unknown,
                    "it is called as PyTorch's are, and is neither a zip archive nor a pickle");
        }
        try
        {
            using var file = Torch.TorchFile.Open(path);
            var (kind, sign) = TensorNames.Of(file.Tensors);
            if (kind == FileKind.ModelWeights && IsConsolidated(path)) kind = FileKind.LlamaOriginal;
            return new(path, kind, sign)
            {
                Detail = "a pickle of PyTorch; only tensors are read of it", Weights = path,
            };
        }
        catch (ModelFormatException e)
        {
            return new(path, IsConsolidated(path) ? FileKind.LlamaOriginal : FileKind.TorchCheckpoint,
                "its first bytes") { Detail = e.What };
        }
    }

    private static Recognized OfJson(string path)
    {
        if (IsTokenizer(path)) return new(path, FileKind.Tokenizer, "its name");
        if (new FileInfo(path).Length > MostJson) return new(path, FileKind.Data, "its name");
        StrictObject json;
        try
        {
            json = StrictJson.ReadFile(path, MostJson);
        }
        catch (ModelFormatException)
        {
            return new(path, FileKind.Data, "its name"); // a list, or lines
        }
        string[] keys = ["peft_type", "model_type", "lora_parameters", "_class_name", "weight_map", "bos_token_id"];
        return keys.FirstOrDefault(json.Has) is { } key
            ? new(path, FileKind.Settings, $"its key {key}") { Detail = "give the folder that it lies in" }
            : new(path, FileKind.Data, "its name");
    }

    private static bool IsConsolidated(string path) =>
        Path.GetFileName(path).StartsWith("consolidated", StringComparison.Ordinal);

    // A zip archive, or the pickle's protocol (2 to 5).
    private static bool IsTorch(byte[] head) => head is [(byte)'P', (byte)'K', 3, 4, ..]
        || head is [0x80, >= 2 and <= 5, ..];

    // The length of the header, then the header.
    private static bool IsSafetensors(byte[] head) => head.Length > 8 && head[8] == '{'
        && BitConverter.ToUInt64(head) <= (ulong)Safetensors.SafetensorsHeader.MaxHeaderBytes;

    // A message whose first field is the version of the format, and its second the name of a program.
    private static bool IsOnnx(byte[] head) => head is [0x08, >= 3 and <= 20, 0x12 or 0x1a or 0x3a or 0x42, ..];

    private static byte[] Head(string path)
    {
        try
        {
            using var stream = File.OpenRead(path);
            var head = new byte[512];
            return head[..stream.ReadAtLeast(head, head.Length, throwOnEndOfStream: false)];
        }
        catch (Exception e) when (StorageErrors.IsStorage(e))
        {
            throw StorageErrors.Reading(path, e);
        }
    }
}
