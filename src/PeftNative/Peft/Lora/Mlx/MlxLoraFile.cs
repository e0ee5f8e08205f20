using System.Collections.Immutable;
using System.Runtime.InteropServices;
using PeftNative.Formats.Safetensors;
using PeftNative.Formats.Storage;
using PeftNative.Models;
using PeftNative.Tensors;

namespace PeftNative.Peft.Lora.Mlx;

/// <summary>
/// mlx-lm's adapters.safetensors under PEFT's names: A [in, r] and B [r, out] turned round, modules called as the model
/// calls them. The numbers are copied.
/// </summary>
internal sealed unsafe class MlxLoraFile : TensorFile
{
    private const string Root = "base_model.model.";

    private MlxLoraFile(MappedFile file, ImmutableArray<StoredTensor> tensors, byte* copies)
        : base(file, 0, tensors, copies)
    {
    }

    /// <summary>Opens the file for a model.</summary>
    /// <exception cref="ModelFormatException">The file is not sound.</exception>
    internal static MlxLoraFile Open(string path, TransformerModel model)
    {
        using var source = SafetensorsFile.Open(path);
        var mapped = MappedFile.Open(path);
        var count = Math.Max(1, source.Tensors.Sum(t => t.ElementCount));
        var copies = (float*)NativeMemory.Alloc((nuint)count, sizeof(float));
        try
        {
            var (tensors, at) = (ImmutableArray.CreateBuilder<StoredTensor>(), 0L);
            foreach (var tensor in source.Tensors)
            {
                var (name, isTurned) = Name(tensor.Name, model);
                var shape = isTurned && tensor.Shape.Length == 2 ? [tensor.Shape[1], tensor.Shape[0]] : tensor.Shape;
                var values = new float[tensor.ElementCount];
                source.ReadAs(tensor, values);
                if (shape != tensor.Shape)
                    values = HostValues.Transpose(values, (int)tensor.Shape[0], (int)tensor.Shape[1]);
                values.CopyTo(new Span<float>(copies + at, values.Length));
                var begin = mapped.Length + at * sizeof(float);
                tensors.Add(new(name, StoredType.F32, shape, begin, begin + (long)values.Length * sizeof(float)));
                at += values.Length;
            }
            return new MlxLoraFile(mapped, tensors.ToImmutable(), (byte*)copies);
        }
        catch
        {
            NativeMemory.Free(copies);
            mapped.Dispose();
            throw;
        }
    }

    private static (string Name, bool IsTurned) Name(string name, TransformerModel model)
    {
        var dot = name.LastIndexOf('.');
        if (dot < 0) return (name, false);
        var module = Own(name[..dot], model);
        var isEmbedding = module == model.Embedding.Path;
        return name[(dot + 1)..] switch
        {
            "lora_a" => ($"{Root}{module}.{(isEmbedding ? "lora_embedding_A" : "lora_A.weight")}", true),
            "lora_b" => ($"{Root}{module}.{(isEmbedding ? "lora_embedding_B" : "lora_B.weight")}", true),
            "m" => ($"{Root}{module}.{LoraAdapter.DoraPart}", false),
            var other => ($"{Root}{module}.{other}", false),
        };
    }

    private static string Own(string module, TransformerModel model)
    {
        foreach (var (own, theirs) in (model.Family.MlxNames ?? []).OrderByDescending(n => n.Theirs.Length))
            if (module.StartsWith(theirs, StringComparison.Ordinal)) return own + module[theirs.Length..];
        return module;
    }
}
