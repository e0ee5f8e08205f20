using PeftNative.Formats.Gguf;
using PeftNative.Formats.Safetensors;
using PeftNative.Formats.Torch;

namespace PeftNative.Formats;

/// <summary>Opens files of tensors of every kind. Thread-safe.</summary>
public static class TensorFiles
{
    /// <summary>Opens a file by the ending of its name: PyTorch's are <c>.bin</c>, <c>.pt</c> and <c>.pth</c>,
    /// llama.cpp's <c>.gguf</c>, others are safetensors.</summary>
    /// <exception cref="ModelFormatException">The file is not sound.</exception>
    /// <exception cref="StorageException">The file is missing or cannot be read.</exception>
    public static TensorFile Open(string path) => Path.GetExtension(path) switch
    {
        ".bin" or ".pt" or ".pth" => TorchFile.Open(path),
        ".gguf" => GgufFile.Open(path),
        _ => SafetensorsFile.Open(path),
    };
}
