using PeftNative.Formats;
using PeftNative.Formats.Safetensors;
using PeftNative.Models;
using PeftNative.Models.Loading;
using PeftNative.Models.Loading.Stored;
using PeftNative.Models.Weights;
using PeftNative.Quantization;
using PeftNative.Tensors;

namespace PeftNative.Peft.Merging;

/// <summary>What a merged model has in place of weights that its base keeps quantised.</summary>
internal static class QuantizedTensors
{
    /// <summary>
    /// Lets merging round what it dequantises to the type that it had before it was quantised, as bitsandbytes does:
    /// what is quantised again then has the same codes. Returns whether that rounds anything.
    /// </summary>
    public static bool RoundAsStored(TransformerModel model, LoadReport loaded)
    {
        model.ExpandedType = TypeOf;
        return loaded.Quantized.Keys.Any(p => TypeOf(p) is not null);

        DType? TypeOf(Parameter parameter) => loaded.Quantized.GetValueOrDefault(parameter)?.Type switch
        {
            StoredType.F16 => DType.Float16,
            StoredType.BF16 => DType.BFloat16,
            _ => null,
        };
    }

    /// <summary>
    /// Quantises the weights that merging has changed again, as the base had them; the model then computes with these.
    /// Returns what is to be written for each, and how far each is off the number that was wanted.
    /// </summary>
    /// <exception cref="UsageException">Nothing is quantised, or there is no way back for a weight.</exception>
    public static (IReadOnlyDictionary<Parameter, WrittenWeight> Weights, IReadOnlyList<double> Errors) Again(
        TransformerModel model, LoadReport loaded)
    {
        if (loaded.Quantized.Count == 0)
            throw new UsageException("The checkpoint of the base is not quantised.", "--keep_quantization",
                "Leave it out; the merged model is written in the base's own types.");
        var (written, errors) = (new Dictionary<Parameter, WrittenWeight>(), new List<double>());
        foreach (var (parameter, stored) in loaded.Quantized.Where(q => q.Key.Changes > 0))
        {
            if (stored.Again is not { } quantize)
                throw new UsageException($"There is no way back to the form of {parameter.Name}: {stored.Form}.",
                    "--keep_quantization", "Leave it out for a dense model; nf4, fp4 and int8 can be kept.");
            var wanted = model.Values(parameter);
            if (!Finite.All(wanted))
                throw new NumericException("The merged weight has values that are not finite; nothing is written.",
                    parameter.Name, Finite.Remedy);
            written[parameter] = quantize(wanted);
            parameter.Quantized =
                QuantizedUpload.ToBackend(model.Backend, model.Weights, written[parameter].Matrix);
            parameter.Value = default;
            errors.Add(Error(model.Values(parameter), wanted));
        }
        return (written, errors);
    }

    /// <summary>The tensors of a weight: those of the base, new ones of their form, or a dense one.</summary>
    public static IEnumerable<MergedTensor> Plan(TransformerModel model, LoadReport loaded, Parameter parameter,
        WeightSource source, StoredType? type, IReadOnlyDictionary<Parameter, WrittenWeight>? again)
    {
        var stored = loaded.Quantized[parameter];
        if (again is null) return [Dense(model, loaded, parameter, stored, source, type)];
        return again.TryGetValue(parameter, out var written)
            ? written.Tensors.Select(t => new MergedTensor($"{stored.Path}.{t.Ending}", t.Type, t.Shape, true,
                stream => stream.Write(t.Bytes)))
            : stored.Tensors.Select(name => MergedTensors.Copy(source, name, name, null));
    }

    private static MergedTensor Dense(TransformerModel model, LoadReport loaded, Parameter parameter,
        StoredWeight stored, WeightSource source, StoredType? type)
    {
        var written = type ?? stored.Type ?? TypeOfOthers(loaded, source);
        var name = stored.Path + parameter.Name[parameter.Module.Length..];
        return new MergedTensor(name, written, parameter.ShapeIn(parameter.DenseLayout), true,
            MergedTensors.Writer(model, parameter, written, parameter.DenseLayout)) { Parameter = parameter };
    }

    private static StoredType TypeOfOthers(LoadReport loaded, WeightSource source) => loaded.Sources.Values
        .Select(n => source.Get(n).Type).FirstOrDefault(
            t => t is StoredType.F32 or StoredType.F16 or StoredType.BF16, StoredType.F32);

    // Relative to the size of all numbers, as noise of quantisation is told.
    private static double Error(float[] actual, float[] wanted)
    {
        var (squares, size) = (0.0, 0.0);
        for (var i = 0; i < wanted.Length; i++)
        {
            var difference = (double)actual[i] - wanted[i];
            squares += difference * difference;
            size += (double)wanted[i] * wanted[i];
        }
        return size == 0 ? 0 : Math.Sqrt(squares / size);
    }
}
