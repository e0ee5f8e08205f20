using PeftNative.Formats;
using PeftNative.Formats.Json;
using PeftNative.Formats.Safetensors;
using PeftNative.Models;
using PeftNative.Models.Loading;
using PeftNative.Models.Steps;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Lab.Verification;

/// <summary>
/// Replays recorded GGUF files: the numbers of every type of blocks, and whole models with the names and shapes of
/// their weights and their logits. Used by one thread at a time, like its backend.
/// </summary>
public static class GgufVerifier
{
    private const double Logits = 1e-5;

    /// <summary>Compares types.gguf with the numbers beside it, which are exact.</summary>
    /// <exception cref="ModelFormatException">A file is broken.</exception>
    public static VerificationResult Types(string file)
    {
        var values = new RecordedValues("gguf:types", 0);
        using var stored = TensorFiles.Open(file);
        using var truth = SafetensorsFile.Open(Path.ChangeExtension(file, "safetensors"));
        foreach (var tensor in stored.Tensors)
        {
            float[] found = new float[tensor.ElementCount], expected = new float[tensor.ElementCount];
            stored.ReadAs(tensor, found);
            truth.ReadAs(truth.Get("dequantized." + tensor.Name[(tensor.Name.IndexOf('.') + 1)..]), expected);
            values.Expect(tensor.Name, 0, RelativeError.Of(found, expected));
        }
        return values.Result;
    }

    /// <summary>
    /// Loads a model, and compares its weights' names and shapes and its logits with the recorded ones.
    /// </summary>
    /// <exception cref="ModelFormatException">A file is broken.</exception>
    public static VerificationResult Model(string folder, IBackend backend)
    {
        var limit = CaseTolerance.Of(backend.ComputeType) is { IsExact: false } tolerance ? tolerance.Outputs : Logits;
        var values = new RecordedValues($"gguf:{Path.GetFileName(folder)}", limit);
        var (model, loaded) = ModelLoader.Load(backend, Path.Combine(folder, "model.gguf"));
        using var owner = model;
        CheckWeights(StrictJson.ReadFile(Path.Combine(folder, "case.json")), model, loaded, values);

        using var truth = SafetensorsFile.Open(Path.Combine(folder, "tensors.safetensors"));
        var input = truth.Get("inputs.input_ids");
        int[] ids = [.. System.Runtime.InteropServices.MemoryMarshal.Cast<byte, long>(truth.Bytes(input))
            .ToArray().Select(id => (int)id)];
        var (rows, time) = ((int)input.Shape[0], (int)input.Shape[1]);
        var expected = new float[truth.Get("logits").ElementCount];
        truth.ReadAs(truth.Get("logits"), expected);
        using var run = new ModelRun(model);
        run.Forward(new TokenBatch(ids, [.. Enumerable.Range(0, rows + 1).Select(r => r * time)]));
        values.Expect("logits", 0, RelativeError.Of(HostValues.Download(backend, run.Scores()), expected));
        return values.Result;
    }

    // Every tensor of the file has its place under the name of the model that was converted.
    private static void CheckWeights(StrictObject json, TransformerModel model, LoadReport loaded,
        RecordedValues values)
    {
        var parameters = model.Parameters.ToDictionary(p => p.Name);
        foreach (var recorded in json.Element.GetProperty("tensors").EnumerateArray())
        {
            if (recorded.GetProperty("hf").GetString() is not { } name) continue;
            long[] shape = [.. recorded.GetProperty("hf_shape").EnumerateArray().Select(d => d.GetInt64())];
            if (!parameters.TryGetValue(name, out var parameter) || !loaded.Has(parameter))
                values.Fail($"{name} is not a weight of the model");
            else values.Expect($"the shape of {name}", 1, parameter.StoredShape.SequenceEqual(shape) ? 1 : 0);
        }
        values.Expect("tensors without a place", 0, loaded.Unused.Count);
    }
}
