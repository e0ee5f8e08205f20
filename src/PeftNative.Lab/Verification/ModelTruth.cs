using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using PeftNative.Backends.Reference;
using PeftNative.Formats.Safetensors;
using PeftNative.Inference;
using PeftNative.Models;
using PeftNative.Models.Loading;
using PeftNative.Models.Steps;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Lab.Verification;

/// <summary>
/// What the reference made of a model that is given beside the recording: its weights, its logits and tokens. Used by
/// one thread at a time, like its backend.
/// </summary>
public static class ModelTruth
{
    // Below this margin between the two best logits another engine may rightly choose the other.
    private const double Margin = 0.01;

    /// <summary>
    /// Compares the digests of the weights, in the order of the safetensors model; where a backend rounds them, those
    /// that it is given.
    /// </summary>
    public static VerificationResult Weights(string name, string folder, string modelPath, IBackend backend)
    {
        var values = new RecordedValues(name, 0);
        using var exact = ReferenceBackend.Create(DType.Float32);
        var isExact = CaseTolerance.Of(backend.ComputeType).IsExact;
        var (model, _) = ModelLoader.Load(isExact ? backend : exact, modelPath);
        using var owner = model;
        var parameters = model.Parameters.ToDictionary(p => p.Name);
        return RecordedValues.Read(Path.Combine(folder, "tensors.json"), root =>
        {
            foreach (var recorded in root.AsArray())
            {
                var weight = recorded!["hf_name"]!.GetValue<string>();
                if (!parameters.TryGetValue(weight, out var parameter)) values.Fail(weight);
                else
                    values.Expect($"the numbers of {weight}, equal", 1,
                        Digest(model.Values(parameter)) == recorded["hf_sha256"]!.GetValue<string>() ? 1 : 0);
            }
            return values.Result;
        });
    }

    /// <summary>
    /// Compares logits, greedy continuations and the perplexity of a text. With numbers of 16 bits a result may be off
    /// twice as far as the logits of the prompts are on the reference backend with the same, and tokens are not
    /// compared.
    /// </summary>
    public static VerificationResult Inference(string name, string folder, string modelPath, IBackend backend)
    {
        var tolerance = CaseTolerance.Of(backend.ComputeType);
        var (model, _) = ModelLoader.Load(backend, modelPath);
        using var owner = model;
        var result = Inference(name, folder, model, tolerance.Outputs);
        if (result.Failed == 0 || tolerance.IsExact || backend is ReferenceBackend) return result;
        using var reference = ReferenceBackend.Create(backend.ComputeType);
        using var slow = ModelLoader.Load(reference, modelPath).Model;
        var wider = 2 * RecordedValues.Read(Path.Combine(folder, "inference.json"),
            root => root["plain"]!.AsArray().Max(recorded => Off(slow, recorded!)));
        return wider > tolerance.Outputs ? Inference(name, folder, model, wider) : result;
    }

    private static VerificationResult Inference(string name, string folder, TransformerModel model, double limit)
    {
        var values = new RecordedValues(name, limit);
        using var truth = SafetensorsFile.Open(Path.Combine(folder, "tensors.safetensors"));
        return RecordedValues.Read(Path.Combine(folder, "inference.json"), root =>
        {
            var plain = root["plain"]!.AsArray();
            for (var i = 0; i < plain.Count; i++) Plain(values, model, plain[i]!, truth, $"plain{i}", limit);
            if (CaseTolerance.Of(model.Backend.ComputeType).IsExact)
                foreach (var asked in root["ask"]!.AsArray()) Ask(values, model, asked!);
            Perplexity(values, model, truth, root["perplexity"]!);
            return values.Result;
        });
    }

    private static double Off(TransformerModel model, JsonNode recorded)
    {
        using var run = new ModelRun(model);
        return Off(Scores(run, Integers(recorded["ids"]!)).AsSpan(^model.Config.VocabularySize..), recorded["last"]!);
    }

    /// <summary>Whole numbers of a recording.</summary>
    internal static int[] Integers(JsonNode node) => [.. node.AsArray().Select(n => n!.GetValue<int>())];

    /// <summary>Scores of all tokens of a sequence.</summary>
    internal static float[] Scores(ModelRun run, int[] ids)
    {
        run.Forward(new TokenBatch(ids, [0, ids.Length]));
        return HostValues.Download(run.Model.Backend, run.Scores());
    }

    /// <summary>Numbers of a recording.</summary>
    internal static float[] Floats(SafetensorsFile file, string name)
    {
        var values = new float[file.Get(name).ElementCount];
        file.ReadAs(file.Get(name), values);
        return values;
    }

    /// <summary>Compares the logits of the last token: those that are recorded, as a share of the largest.</summary>
    internal static void Last(RecordedValues values, string what, ReadOnlySpan<float> scores, JsonNode recorded) =>
        values.Expect(what, 0, Off(scores, recorded));

    private static double Off(ReadOnlySpan<float> scores, JsonNode recorded)
    {
        var ids = Integers(recorded["ids"]!);
        float[] expected = [.. recorded["logits"]!.AsArray().Select(n => n!.GetValue<float>())];
        var found = new float[ids.Length];
        for (var i = 0; i < ids.Length; i++) found[i] = scores[ids[i]];
        return RelativeError.Of(found, expected);
    }

    private static void Plain(RecordedValues values, TransformerModel model, JsonNode recorded, SafetensorsFile truth,
        string name, double limit)
    {
        using var run = new ModelRun(model);
        var (ids, vocabulary) = (Integers(recorded["ids"]!), model.Config.VocabularySize);
        var scores = Scores(run, ids);
        Last(values, $"{name}: the last logits", scores.AsSpan(^vocabulary..), recorded["last"]!);
        if (truth.TryGet($"{name}.logits", out _))
            values.Expect($"{name}: all logits", 0, RelativeError.Of(scores, Floats(truth, $"{name}.logits")));
        var best = Integers(recorded["argmax"]!);
        for (var i = 0; i < best.Length; i++)
        {
            var row = scores.AsSpan(i * vocabulary, vocabulary);
            // Where two logits nearly tie either may be the best.
            var (largest, chosen) = (Largest(row), row[best[i]]);
            values.Expect($"{name}: the best token at {i}", largest,
                largest - chosen <= limit * Math.Abs(largest) ? largest : chosen);
        }
    }

    private static void Ask(RecordedValues values, TransformerModel model, JsonNode recorded)
    {
        using var generator = new Generator(model);
        var expected = Integers(recorded["new_ids"]!);
        var found = generator.Generate(Integers(recorded["prompt_ids"]!),
            new GenerationOptions { MaxTokens = expected.Length, IgnoreEndOfSequence = true });
        var at = 0;
        while (at < expected.Length && at < found.Count && expected[at] == found[at]) at++;
        var mayDiffer = at < expected.Length && recorded["margins"]![at]!.GetValue<double>() < Margin;
        values.Expect($"equal tokens after '{recorded["question"]}'", expected.Length,
            mayDiffer ? expected.Length : at);
    }

    private static void Perplexity(RecordedValues values, TransformerModel model, SafetensorsFile truth,
        JsonNode recorded)
    {
        var ids = MemoryMarshal.Cast<byte, int>(truth.Bytes(truth.Get("perplexity.ids"))).ToArray();
        var expected = Floats(truth, "perplexity.nll");
        using var run = new ModelRun(model);
        var (scores, vocabulary, sum) = (Scores(run, ids), model.Config.VocabularySize, 0.0);
        var found = new float[expected.Length];
        for (var i = 0; i < found.Length; i++)
        {
            var row = scores.AsSpan(i * vocabulary, vocabulary);
            double largest = Largest(row), total = 0;
            foreach (var score in row) total += Math.Exp(score - largest);
            found[i] = (float)(Math.Log(total) + largest - row[ids[i + 1]]);
            sum += found[i];
        }
        values.Expect("the losses of the text's tokens", 0, RelativeError.Of(found, expected));
        values.Expect("perplexity", recorded["perplexity"]!.GetValue<double>(), Math.Exp(sum / found.Length));
    }

    private static float Largest(ReadOnlySpan<float> row)
    {
        var largest = float.NegativeInfinity;
        foreach (var value in row) largest = Math.Max(largest, value); // keeps a NaN
        return largest;
    }

    private static string Digest(float[] values) =>
        Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(values.AsSpan())));
}
