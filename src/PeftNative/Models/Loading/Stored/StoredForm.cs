using PeftNative.Formats;
using PeftNative.Formats.Safetensors;
using PeftNative.Formats.Text;
using PeftNative.Models.Weights;
using PeftNative.Ops;
using PeftNative.Quantization;

namespace PeftNative.Models.Loading.Stored;

/// <summary>A way in which files keep a quantised weight. Stateless and thread-safe.</summary>
internal abstract class StoredForm
{
    /// <summary>What users call it.</summary>
    internal abstract string Name { get; }

    /// <summary>Whether the tensors beside a weight are of this form.</summary>
    internal abstract bool Holds(StoredModule module);

    /// <summary>Reads the weight, as few bits as the file has.</summary>
    /// <exception cref="ModelFormatException">A tensor is missing, damaged, or not what the others say.</exception>
    internal abstract StoredWeight Read(StoredModule module);
}

/// <summary>A weight as a checkpoint has it.</summary>
/// <param name="Form">Its form.</param>
/// <param name="Matrix">Its codes and scales, until a backend has them.</param>
internal sealed record StoredWeight(string Form, QuantizedMatrix? Matrix)
{
    /// <summary>The name of its module in the files.</summary>
    internal string Path { get; init; } = "";

    /// <summary>The tensors it was read from.</summary>
    internal IReadOnlyList<string> Tensors { get; init; } = [];

    /// <summary>The type that its numbers had before they were quantised; null where the files do not say.</summary>
    internal StoredType? Type { get; init; }

    /// <summary>Makes codes of other numbers, and the tensors to write; null where there is no way back.</summary>
    internal Func<float[], WrittenWeight>? Again { get; init; }

    /// <summary>What is odd about it, in a sentence; or null.</summary>
    internal string? Doubt { get; init; }
}

/// <summary>A weight that was quantised again.</summary>
/// <param name="Matrix">Its codes and scales.</param>
/// <param name="Tensors">The tensors of a file, by what follows the name of the weight's module.</param>
internal sealed record WrittenWeight(QuantizedMatrix Matrix, IReadOnlyList<WrittenTensor> Tensors);

/// <summary>A tensor to write.</summary>
/// <param name="Ending">What follows the name of the module and a dot.</param>
/// <param name="Type">Its type.</param>
/// <param name="Shape">Its shape.</param>
/// <param name="Bytes">Its bytes.</param>
internal sealed record WrittenTensor(string Ending, StoredType Type, long[] Shape, byte[] Bytes);

/// <summary>The forms that are known, asked one after the other for each weight of a model.</summary>
internal sealed class StoredForms(CheckpointNames names, WeightSource source, StoredQuantization config)
{
    private static readonly StoredForm[] All =
    [
        new Bitsandbytes4Form(), new Bitsandbytes8Form(), new GptqForm(), new AwqForm(), new PackedIntegersForm(),
        new IntegersForm(), new Float8Form(), new Mxfp4Form(), new BlocksForm(),
    ];

    /// <summary>Whether a checkpoint keeps a weight quantised.</summary>
    internal bool Holds(Parameter parameter) => FormOf(parameter) is not null;

    /// <summary>Reads a weight; null where it is not quantised.</summary>
    /// <exception cref="ModelFormatException">It is damaged.</exception>
    internal StoredWeight? Read(Parameter parameter)
    {
        if (FormOf(parameter) is not var (form, module)) return null;
        var weight = form.Read(module);
        return weight with { Path = module.Path, Tensors = [.. module.Used.Distinct()] };
    }

    /// <summary>Makes sure that a quantised weight has no tensors beside those that its form knows.</summary>
    /// <param name="unused">The tensors that nothing has used.</param>
    /// <param name="read">The tensors of quantised weights.</param>
    /// <param name="source">The files.</param>
    /// <exception cref="ModelFormatException">It has.</exception>
    internal static void CheckUnused(IEnumerable<string> unused, IEnumerable<string> read, WeightSource source)
    {
        // model.layers.0.q_proj.qweight or .weight.absmax: of the module model.layers.0.q_proj
        var modules = read.Select(n => n.Contains(".weight.", StringComparison.Ordinal)
            ? n[..n.LastIndexOf(".weight.", StringComparison.Ordinal)] : n[..n.LastIndexOf('.')]).ToHashSet();
        foreach (var name in unused)
            for (var end = name.LastIndexOf('.'); end > 0; end = name.LastIndexOf('.', end - 1))
                if (modules.Contains(name[..end]) && name[end..] != ".bias")
                    throw new ModelFormatException(
                        "The tensor lies beside a quantised weight, and what it means there is not known.",
                        Message.At(source.FileOf(name).Path, name),
                        "This form of quantisation is not supported; take the model as it was before.");
    }

    /// <summary>How many weights of a checkpoint look quantised, by what says so, without reading them.</summary>
    internal static IReadOnlyList<(string Form, int Count)> Summary(WeightSource source, StoredQuantization config) =>
    [
        .. source.Tensors.Select(t => Mark(t, config)).OfType<string>().CountBy(f => f).Select(p => (p.Key, p.Value))
            .OrderBy(p => p.Key, StringComparer.Ordinal),
    ];

    private static string? Mark(StoredTensor tensor, StoredQuantization config) => tensor.Name switch
    {
        _ when tensor.Block != BlockFormat.None => tensor.TypeName,
        var n when n.EndsWith("bitsandbytes__nf4", StringComparison.Ordinal) => "nf4",
        var n when n.EndsWith("bitsandbytes__fp4", StringComparison.Ordinal) => "fp4",
        var n when n.EndsWith(".SCB", StringComparison.Ordinal) => "int8",
        var n when n.EndsWith(".qweight", StringComparison.Ordinal) => config.Method == "awq" ? "awq" : "gptq",
        var n when n.EndsWith(".weight_packed", StringComparison.Ordinal) => "compressed-tensors",
        var n when n.EndsWith("_blocks", StringComparison.Ordinal) && tensor.Type == StoredType.U8 => "mxfp4",
        _ => tensor.Type == StoredType.F8E4M3 ? "fp8" : null,
    };

    private (StoredForm Form, StoredModule Module)? FormOf(Parameter parameter)
    {
        if (parameter.TiedTo is not null || parameter.Layout is not (StoredLayout.Matrix or StoredLayout.Transposed))
            return null;
        var module = new StoredModule(names, source, config, parameter);
        return Array.Find(All, f => f.Holds(module)) is { } form ? (form, module) : null;
    }
}
