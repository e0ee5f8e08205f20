using System.Globalization;
using System.Text;
using PeftNative.Formats.Json;
using PeftNative.Formats.Safetensors;
using PeftNative.Formats.Text;

namespace PeftNative.Models.Loading.Stored;

/// <summary>The JSON that bitsandbytes keeps beside a weight in 4 bits. Immutable.</summary>
internal sealed record BitsandbytesState
{
    private const int LargestBlock = 1 << 24;

    private static readonly string[] Keys =
    [
        "quant_type", "blocksize", "dtype", "shape", "nested_blocksize", "nested_dtype", "nested_offset",
    ];

    internal required string Type { get; init; }

    internal required int BlockSize { get; init; }

    /// <summary>The type that the weight had when it was quantised.</summary>
    internal required StoredType Dtype { get; init; }

    /// <summary>Elements that share a maximum of maxima; 0 where the maxima are not quantised.</summary>
    internal int NestedBlockSize { get; init; }

    internal float NestedOffset { get; init; }

    /// <summary>Reads the JSON of a weight of which the shape is known.</summary>
    /// <param name="utf8">The text.</param>
    /// <param name="place">File and tensor, for errors.</param>
    /// <param name="type">nf4 or fp4, as the tensor's name says.</param>
    /// <param name="rows">Rows of the weight.</param>
    /// <param name="columns">Columns of the weight.</param>
    /// <exception cref="ModelFormatException">A field is missing, has another type, or lies.</exception>
    internal static BitsandbytesState Read(ReadOnlySpan<byte> utf8, string place, string type, int rows, int columns)
    {
        var json = StrictJson.ParseObject(utf8, place);
        foreach (var key in json.Keys)
            if (!Keys.Contains(key))
                throw json.Error(key, "The field is not known, so what it changes is not either.");
        if (json.GetString("quant_type") is var named && named != type)
            throw json.Error("quant_type", $"The tensor's name says {type}, the field says {Message.Clip(named)}.");
        if (json.GetIntList("shape") is not [var r, var c] || r != rows || c != columns)
            throw json.Error("shape", $"The weight of this model is [{rows}, {columns}].");
        var state = new BitsandbytesState
        {
            Type = type, BlockSize = Block(json, "blocksize"),
            Dtype = json.GetString("dtype") switch
            {
                "float32" => StoredType.F32,
                "float16" => StoredType.F16,
                "bfloat16" => StoredType.BF16,
                var other => throw json.Error("dtype", $"The type '{Message.Clip(other)}' is not known.",
                    "Known: float32, float16, bfloat16."),
            },
        };
        if (!Keys[4..].Any(json.Has)) return state;
        if (json.GetString("nested_dtype") is not "float32" and var nested)
            throw json.Error("nested_dtype", $"The type '{Message.Clip(nested)}' is not known.", "Known: float32.");
        var offset = (float)json.GetDouble("nested_offset");
        return state with
        {
            NestedBlockSize = Block(json, "nested_blocksize"),
            NestedOffset = float.IsFinite(offset) ? offset
                : throw json.Error("nested_offset", "The number is beyond single precision."),
        };
    }

    /// <summary>The text, as Python writes it.</summary>
    internal byte[] Write(int rows, int columns)
    {
        var name = Dtype switch { StoredType.F16 => "float16", StoredType.BF16 => "bfloat16", _ => "float32" };
        var offset = ((double)NestedOffset).ToString("R", CultureInfo.InvariantCulture);
        var nested = NestedBlockSize == 0 ? ""
            : $", 'nested_blocksize': {NestedBlockSize}, 'nested_dtype': 'float32', 'nested_offset': {offset}";
        var text = $"'quant_type': '{Type}', 'blocksize': {BlockSize}, 'dtype': '{name}', 'shape': [{rows}, {columns}]";
        return Encoding.UTF8.GetBytes($"{{{text}{nested}}}".Replace('\'', '"'));
    }

    private static int Block(StrictObject json, string key) => json.GetInt(key) is > 0 and <= LargestBlock and var size
        ? size : throw json.Error(key, $"The number of elements must be between 1 and {LargestBlock}.");
}
