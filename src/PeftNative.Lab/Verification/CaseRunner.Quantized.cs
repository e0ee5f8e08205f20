using System.Runtime.InteropServices;
using PeftNative.Formats.Json;
using PeftNative.Formats.Safetensors;
using PeftNative.Models;
using PeftNative.Models.Loading;
using PeftNative.Models.Loading.Stored;
using PeftNative.Models.Steps;
using PeftNative.Peft.Merging;
using PeftNative.Quantization;
using PeftNative.Tensors;

namespace PeftNative.Lab.Verification;

/// <summary>Bases that are quantised in their files.</summary>
public sealed partial class CaseRunner
{
    // One product, or a product and a sum, in single precision.
    private const double LastBit = 3e-7;

    // Where the library rounds activations, to 16 bits or to the 8 of its weights, it is 1 to 8 % off exact products.
    private const double RoundedActivations = 8e-2;

    private CaseResult ReplayQuantizedBase(CaseResult result)
    {
        var (model, loaded) = ModelLoader.Load(backend, recorded.Base, recorded.Options());
        using var owner = model;
        var (batch, places) = recorded.Batch();
        CheckModules(loaded);
        foreach (var name in recorded.Names("dequantized.")) CheckDequantized(model, name);

        using var run = new ModelRun(model);
        result = result with { Logits = Check("logits", Logits(run, batch), places, limits.Outputs) };
        if (!recorded.Has("loss")) return result;
        var loss = (float)run.Train(batch, recorded.Targets(places)).Loss;
        return result with { Loss = Check("loss", [loss], null, limits.Outputs) };
    }

    private void CheckModules(LoadReport loaded)
    {
        if (!recorded.Json.Has("quantized_modules")) return;
        var (expected, found) = (recorded.Json.GetStringList("quantized_modules").ToHashSet(),
            loaded.Quantized.Keys.Select(p => p.Name).ToHashSet());
        failures.AddRange(expected.Except(found).Select(n => $"{n} was not taken as quantised"));
        failures.AddRange(found.Except(expected).Select(n => $"{n} was taken as quantised"));
    }

    private void CheckDequantized(TransformerModel model, string name)
    {
        var parameter = model.Parameters.FirstOrDefault(p => p.Name == name);
        if (parameter is null)
        {
            failures.Add($"the model has no {name}");
            return;
        }
        // Numbers are of the backend's type: half a unit in the last of its 8 or 11 binary places, which is the largest
        // share of a power of two.
        var rounding = backend.ComputeType switch { DType.BFloat16 => 1.0 / 256, DType.Float16 => 1.0 / 2048, _ => 0 };
        var error = RelativeError.Of(model.Values(parameter), recorded.Floats("dequantized." + name));
        if (!(error <= LastBit + rounding)) failures.Add($"the dequantised {name} is off by {error:0.0e0}");
    }

    // What the reference made of the first merged weight when it quantised it again, and what the model then computes.
    private void CheckQuantizedAgain(TokenBatch batch, int[] places)
    {
        const string Prefix = "merged_quantized.", Again = "merged_quantized_logits";
        if (!limits.IsExact || !recorded.Names(Prefix).Any()) return;
        var (model, loaded) = ModelLoader.Load(backend, recorded.Base, recorded.Options());
        using var owner = model;
        QuantizedTensors.RoundAsStored(model, loaded);
        using (var adapter = CreateAdapter(model)) adapter.Merge();
        var (weights, _) = QuantizedTensors.Again(model, loaded);
        var written = weights.SelectMany(w => w.Value.Tensors
            .Select(t => (Name: $"{w.Key.Module}.{t.Ending}", Tensor: t, w.Value.Matrix))).ToDictionary(t => t.Name);
        foreach (var name in recorded.Names(Prefix))
            if (written.TryGetValue(name, out var own)) Compare(Prefix + name, own.Tensor, own.Matrix);
            else failures.Add($"{name} was not quantised again");
        using var run = new ModelRun(model);
        var isInt8 = weights.Values.Any(w => w.Matrix.Book.Length == 0);
        // It has not cast the checkpoint to single precision here, so that its logits are of 16 bits too.
        var isRounded = isInt8 || recorded.Floats(Again).All(v => v == (float)(Half)v);
        Check(Again, Logits(run, batch), places, isRounded ? RoundedActivations : limits.Outputs);
    }

    private void Compare(string name, WrittenTensor actual, QuantizedMatrix matrix)
    {
        if (!recorded.Shape(name).AsSpan().SequenceEqual(actual.Shape) && !name.Contains("quant_state."))
            failures.Add($"{name} has another shape");
        if (actual.Type == StoredType.F32)
        {
            var values = MemoryMarshal.Cast<byte, float>(actual.Bytes).ToArray();
            var error = RelativeError.Of(values, recorded.Floats(name));
            if (!(error <= LastBit)) failures.Add($"{name} is off by {error:0.0e0}");
            return;
        }
        var expected = recorded.Bytes(name);
        if (name.Contains("quant_state", StringComparison.Ordinal))
        {
            if (!AreEqual(expected, actual.Bytes)) failures.Add($"{name} says something else");
            return;
        }
        var isCodes = name.EndsWith(".weight", StringComparison.Ordinal) && matrix.Book.Length == 16;
        var differ = 0;
        for (var i = 0; i < Math.Min(expected.Length, actual.Bytes.Length); i++)
            if (isCodes ? !Same(actual.Bytes[i] >> 4, expected[i] >> 4) || !Same(actual.Bytes[i] & 15, expected[i] & 15)
                : actual.Bytes[i] != expected[i]) differ++;
        if (expected.Length != actual.Bytes.Length || differ > 0)
            failures.Add($"{name}: {differ} of {expected.Length} bytes differ");

        // The mean of the maxima is a sum in an order of its own.
        static bool AreEqual(byte[] expected, byte[] actual)
        {
            var (a, b) = (StrictJson.ParseObject(expected), StrictJson.ParseObject(actual));
            return a.Keys.SequenceEqual(b.Keys) && a.Keys.All(key => key == "nested_offset"
                ? Math.Abs(a.GetDouble(key) - b.GetDouble(key)) <= 1e-6 * Math.Abs(a.GetDouble(key))
                : a.Element.GetProperty(key).GetRawText() == b.Element.GetProperty(key).GetRawText());
        }

        // The codes of +0 and -0 mean the same.
        bool Same(int a, int b) => a == b || matrix.Book[a] == matrix.Book[b];
    }
}
