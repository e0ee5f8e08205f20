using System.Runtime.InteropServices;
using PeftNative.Formats.Safetensors;
using PeftNative.Quantization;

namespace PeftNative.Models.Loading.Stored;

/// <summary>
/// bitsandbytes' 4-bit weights (Dettmers et al. 2023, arXiv:2305.14314): codes two to a byte over the whole matrix, a
/// maximum per block or its code, and a JSON that names shape and block size. Storage types only label the bytes.
/// </summary>
internal sealed class Bitsandbytes4Form : StoredForm
{
    private const int MaximaBlock = 256;
    private const string State = "weight.quant_state.bitsandbytes__";

    private static readonly string[] Types = ["nf4", "fp4"];

    /// <inheritdoc/>
    internal override string Name => "bitsandbytes 4-bit";

    /// <inheritdoc/>
    internal override bool Holds(StoredModule module) =>
        module.Leaf == "weight" && (Types.Any(t => module.Find(State + t) is not null)
            || module.Find("weight.absmax") is not null);

    /// <inheritdoc/>
    internal override StoredWeight Read(StoredModule module)
    {
        var type = Array.Find(Types, t => module.Find(State + t) is not null) ?? Types[0];
        var stored = module.Get(State + type, "weight.absmax");
        var text = module.Bytes(stored, [StoredType.U8], stored.ElementCount);
        var state = BitsandbytesState.Read(text, module.Place(stored), type, module.Rows, module.Columns);

        var weight = module.Get("weight", stored.Name);
        var count = (long)module.Rows * module.Columns;
        var (bytes, width) = ((count + 1) / 2, weight.Type.Bits() / 8);
        if (width == 0 || weight.ByteLength != bytes)
            throw module.Error(weight, $"it has {weight.ByteLength}", $"this tensor has {bytes} bytes");
        var codes = module.Bytes(weight, [StoredType.U8, StoredType.BF16, StoredType.F16, StoredType.F32],
            bytes / width, 1).ToArray();

        var table = type == "nf4" ? CodeBooks.Nf4.ToArray() : CodeBooks.Fp4.ToArray();
        var book = module.Floats(module.Get("weight.quant_map", stored.Name), table.Length);
        var matrix = new QuantizedMatrix(codes, table, state.BlockSize, []);
        return new StoredWeight($"{type}, blocks of {state.BlockSize}{(state.NestedBlockSize > 0 ? ", nested" : "")}",
            WithMaxima(module, stored, state, matrix, (count + state.BlockSize - 1) / state.BlockSize))
        {
            Type = state.Dtype,
            Again = values => Write(values, state, weight, module.Rows, module.Columns),
            Doubt = book.AsSpan().SequenceEqual(table) ? null
                : $"the values of {stored.Name}'s quant_map are not those of {type}, which count, as in bitsandbytes",
        };
    }

    private static QuantizedMatrix WithMaxima(StoredModule module, StoredTensor stored, BitsandbytesState state,
        QuantizedMatrix matrix, long blocks)
    {
        var maxima = module.Get("weight.absmax", stored.Name);
        if (state.NestedBlockSize == 0) return matrix with { Maxima = module.Floats(maxima, blocks) };
        var coded = matrix with
        {
            MaximaCodes = module.Bytes(maxima, [StoredType.U8], blocks).ToArray(),
            MaximaBook = module.Floats(module.Get("weight.nested_quant_map", stored.Name), 256),
            MaximaScales = module.Floats(module.Get("weight.nested_absmax", stored.Name),
                (blocks + state.NestedBlockSize - 1) / state.NestedBlockSize),
            MaximaOffset = state.NestedOffset,
        };
        if (state.NestedBlockSize == MaximaBlock) return coded;
        // Of another size they are few enough to be kept whole.
        return matrix with
        {
            Maxima = [.. coded.MaximaCodes.Select((code, b) =>
                coded.MaximaBook[code] * coded.MaximaScales[b / state.NestedBlockSize] + state.NestedOffset)],
        };
    }

    private static WrittenWeight Write(float[] values, BitsandbytesState state, StoredTensor weight, int rows,
        int columns)
    {
        var quantizer = new BlockQuantizer(new QuantizationOptions
        {
            Type = state.Type == "nf4" ? QuantizationType.Nf4 : QuantizationType.Fp4,
            BlockSize = state.BlockSize, DoubleQuantization = state.NestedBlockSize > 0,
        }, rows, columns);
        quantizer.Add(values);
        var matrix = quantizer.Finish();
        var bytes = matrix.Codes;
        List<WrittenTensor> tensors =
        [
            new("weight", weight.Type, [bytes.Length / (weight.Type.Bits() / 8), 1], bytes),
            Floats("weight.quant_map", matrix.Book),
        ];
        if (matrix.MaximaCodes is { } codes)
            tensors.AddRange([new("weight.absmax", StoredType.U8, [codes.Length], codes),
                Floats("weight.nested_absmax", matrix.MaximaScales),
                Floats("weight.nested_quant_map", matrix.MaximaBook)]);
        else tensors.Add(Floats("weight.absmax", matrix.Maxima));
        var text = (state with
        {
            Dtype = StoredType.F32, NestedBlockSize = state.NestedBlockSize > 0 ? MaximaBlock : 0,
            NestedOffset = matrix.MaximaOffset,
        }).Write(rows, columns);
        tensors.Add(new(State + state.Type, StoredType.U8, [text.Length], text));
        return new WrittenWeight(matrix, tensors);

        static WrittenTensor Floats(string ending, float[] values) =>
            new(ending, StoredType.F32, [values.Length], MemoryMarshal.AsBytes(values.AsSpan()).ToArray());
    }
}
