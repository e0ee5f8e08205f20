using System.Text;
using PeftNative.Formats;
using PeftNative.Models;
using PeftNative.Quantization;
using PeftNative.Tensors;

namespace PeftNative.Lab.Verification;

/// <summary>Compares a quantised weight with what the reference made of the same: codes, maxima, values.</summary>
internal static class QuantizationComparison
{
    private const double Limit = 1e-6;

    /// <summary>Every difference in words; empty when all agrees.</summary>
    internal static IEnumerable<string> Differences(TransformerModel model, RecordedCase recorded)
    {
        var name = Encoding.UTF8.GetString(recorded.Bytes("quant.name"));
        var parameter = model.Parameters.First(p => p.Name == name + ".weight");
        var quantizer = new BlockQuantizer(recorded.Options().Quantization!, parameter.Rows, parameter.Columns);
        using (var source = WeightSource.Open(recorded.Base))
        {
            var values = new float[parameter.Count];
            source.ReadAs(parameter.Name, values);
            quantizer.Add(values);
        }
        var matrix = quantizer.Finish();

        var book = recorded.Floats("quant.code");
        if (!matrix.Book.AsSpan().SequenceEqual(book)) yield return "the values of the 16 codes differ";
        // The codes of +0 and -0 mean the same.
        var codes = recorded.Bytes("quant.packed");
        if (!Enumerable.Range(0, codes.Length).All(i => Same(codes[i] >> 4, matrix.Codes[i] >> 4)
            && Same(codes[i] & 15, matrix.Codes[i] & 15)))
            yield return "the codes differ";
        if (matrix.MaximaCodes is { } maximaCodes)
        {
            if (!maximaCodes.AsSpan().SequenceEqual(recorded.Bytes("quant.absmax_u8")))
                yield return "the codes of the block maxima differ";
            if (!CodeBooks.DynamicMap.AsSpan().SequenceEqual(recorded.Floats("quant.nested_code")))
                yield return "the values of the 256 codes differ";
            if (!(RelativeError.Of(matrix.MaximaScales, recorded.Floats("quant.nested_absmax")) <= Limit))
                yield return "the nested maxima differ";
            if (!(RelativeError.Of([matrix.MaximaOffset], recorded.Floats("quant.offset")) <= Limit))
                yield return "the mean of the maxima differs";
        }
        else if (!matrix.Maxima.AsSpan().SequenceEqual(recorded.Floats("quant.absmax")))
            yield return "the block maxima differ";
        var error = RelativeError.Of(model.Values(parameter), recorded.Floats("quant.dequantized"));
        // Dequantised numbers are of the backend's type: half a unit in the last of its 8 or 11 binary places.
        var rounding = model.Backend.ComputeType switch { DType.BFloat16 =>
            1.0 / 512, DType.Float16 => 1.0 / 4096, _ => 0 };
        if (!(error <= Limit + rounding)) yield return $"the dequantised weight is off by {error:0.0e0}";

        bool Same(int a, int b) => a == b || book[a] == book[b];
    }
}
