using System.Runtime.InteropServices;
using PeftNative.Formats;
using PeftNative.Formats.Safetensors;
using PeftNative.Formats.Text;
using PeftNative.Models.Weights;
using PeftNative.Quantization;

namespace PeftNative.Models.Loading.Stored;

/// <summary>
/// The tensors that a checkpoint has of one weight, by what they are called beside it; checks what is asked of them and
/// remembers which were used. Used by one thread at a time.
/// </summary>
internal sealed class StoredModule(CheckpointNames names, WeightSource source, StoredQuantization config,
    Parameter parameter)
{
    private readonly List<string> used = [];

    /// <summary>What config.json says.</summary>
    internal StoredQuantization Config => config;

    /// <summary>Rows of the weight as the engine has it: outputs.</summary>
    internal int Rows => parameter.Rows;

    /// <summary>Columns of the weight: inputs.</summary>
    internal int Columns => parameter.Columns;

    /// <summary>Its last name, which is weight nearly always.</summary>
    internal string Leaf => parameter.Name[(parameter.Name.LastIndexOf('.') + 1)..];

    /// <summary>The module's name in the file; known when a tensor of it was found.</summary>
    internal string Path { get; private set; } = parameter.Module;

    /// <summary>The names of all tensors that were taken.</summary>
    internal IReadOnlyList<string> Used => used;

    /// <summary>A tensor, or null.</summary>
    internal StoredTensor? Find(string ending)
    {
        var found = names.Find(parameter.Module, ending);
        if (found is not null) Path = found.Name[..^(ending.Length + 1)];
        return found;
    }

    /// <summary>A tensor that must be there.</summary>
    /// <param name="ending">What it is called.</param>
    /// <param name="beside">What asks for it.</param>
    internal StoredTensor Get(string ending, string beside) => Find(ending) ?? throw new ModelFormatException(
        $"The quantised weight has no tensor '{ending}' beside '{beside}'.",
        Message.At(source.Path, parameter.Name), Again);

    /// <summary>The numbers of a float tensor, all finite.</summary>
    internal float[] Floats(StoredTensor tensor, params long[] shape)
    {
        Expect(tensor, [StoredType.F32, StoredType.F16, StoredType.BF16], shape);
        var values = new float[tensor.ElementCount];
        source.ReadAs(tensor.Name, values);
        var at = Array.FindIndex(values, v => !float.IsFinite(v));
        return at < 0 ? values : throw Error(tensor, $"element {at} is {values[at]}", "every scale is finite");
    }

    /// <summary>The bytes of a tensor; its span dies with the file.</summary>
    internal ReadOnlySpan<byte> Bytes(StoredTensor tensor, StoredType[] types, params long[] shape)
    {
        Expect(tensor, types, shape);
        return source.Bytes(tensor.Name);
    }

    /// <summary>A matrix of blocks, and its bytes while the file is open.</summary>
    internal (StoredTensor Tensor, BytesOfFile Bytes, bool AreMapped) Blocks()
    {
        var tensor = Find(Leaf)!;
        Expect(tensor, [tensor.Type], [Rows, Columns]);
        return (tensor, () => names.Gguf!.Blocks(parameter, tensor), !names.Gguf!.IsPaired(parameter));
    }

    /// <summary>Whole numbers of 32 bits.</summary>
    internal ReadOnlySpan<int> Integers(StoredTensor tensor, params long[] shape) =>
        MemoryMarshal.Cast<byte, int>(Bytes(tensor, [StoredType.I32], shape));

    /// <summary>Takes a tensor that says nothing about the weight, such as the scale of activations.</summary>
    internal void Skip(string ending)
    {
        if (Find(ending) is { } tensor) used.Add(tensor.Name);
    }

    /// <summary>
    /// Makes sure that config.json, where it names schemes, names one of the codes that a tensor holds.
    /// </summary>
    /// <param name="codes">The tensor.</param>
    /// <param name="type">int or float.</param>
    /// <param name="bits">Bits of a code; null where codes of fewer lie in the same bytes.</param>
    internal void CheckScheme(StoredTensor codes, string type, int? bits)
    {
        var hasZeros = Find("weight_zero_point") is not null;
        if (config.Schemes.Count > 0 && !config.Schemes.Any(s => s.Type == type && s.Bits <= 8
            && (bits is null || s.Bits == bits) && (s.IsSymmetric || hasZeros)))
            throw Error(codes, $"it holds {type} of {bits ?? 8} bits{(hasZeros ? " with" : " without")} zeros",
                $"config.json names {string.Join(" or ", config.Schemes.Select(s => s.ToString()).Distinct())}");
    }

    /// <summary>The error for a tensor that is not what it has to be.</summary>
    internal ModelFormatException Error(StoredTensor tensor, string found, string expected) =>
        new($"Of a quantised weight [{Rows}, {Columns}] {expected}, but {found}.",
            Message.At(source.FileOf(tensor.Name).Path, tensor.Name), Again);

    /// <summary>The file that a tensor lies in and its name, for errors.</summary>
    internal string Place(StoredTensor tensor) => Message.At(source.FileOf(tensor.Name).Path, tensor.Name);

    private const string Again =
        "Get the checkpoint from its source again; config.json and the weights may be of different models.";

    private void Expect(StoredTensor tensor, StoredType[] types, long[] shape)
    {
        if (!types.Contains(tensor.Type))
            throw Error(tensor, $"it is {tensor.Type.Name()}",
                $"this tensor is of type {string.Join(" or ", types.Select(t => t.Name()))}");
        if (!tensor.Shape.AsSpan().SequenceEqual(shape))
            throw Error(tensor, $"it is [{string.Join(", ", tensor.Shape)}]",
                $"this tensor is of shape [{string.Join(", ", shape)}]");
        used.Add(tensor.Name);
    }
}
