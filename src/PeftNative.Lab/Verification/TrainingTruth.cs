using System.Text;
using System.Text.Json.Nodes;
using PeftNative.Formats.Json;
using PeftNative.Formats.Safetensors;
using PeftNative.Models;
using PeftNative.Models.Loading;
using PeftNative.Models.Steps;
using PeftNative.Models.Weights;
using PeftNative.Ops;
using PeftNative.Peft;
using PeftNative.Peft.Adapters;
using PeftNative.Tensors;
using PeftNative.Training.Optimization;

namespace PeftNative.Lab.Verification;

/// <summary>
/// Trains LoRA on a model from a start that is a formula, as the reference did, and compares losses, gradient norms and
/// what came out. Used by one thread at a time, like its backend.
/// </summary>
public static class TrainingTruth
{
    // The share that counts of a distance between matrices.
    private const double StepNoise = 0.1;

    // The places that the starting numbers are made of.
    private static readonly string[] Modules =
        ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

    /// <summary>The runs that a folder records.</summary>
    public static IReadOnlyList<string> Runs(string folder) => RecordedValues.Read(
        Path.Combine(folder, "training.json"), root => root["runs"]!.AsObject().Select(r => r.Key).ToList());

    /// <summary>Repeats a run.</summary>
    public static VerificationResult Verify(string name, string folder, string run, string modelPath, IBackend backend)
    {
        var limits = CaseTolerance.Of(backend.ComputeType);
        var losses = new RecordedValues(name, limits.Losses);
        var numbers = new RecordedValues(name, limits.Parameters);
        var (model, _) = ModelLoader.Load(backend, modelPath);
        using var owner = model;
        using var truth = SafetensorsFile.Open(Path.Combine(folder, "tensors.safetensors"));
        return RecordedValues.Read(Path.Combine(folder, "training.json"), root =>
        {
            var recorded = root["runs"]![run]!;
            using var adapter = Create(model, recorded);
            numbers.Expect("trained parameters", recorded["trainable"]!.GetValue<long>(), adapter.ParameterCount);
            Train(model, adapter, root, recorded, losses, numbers);
            foreach (var entry in adapter.Entries) After(model, entry, run, recorded["after"]!, truth, numbers);
            using var after = new ModelRun(model, adapter);
            ModelTruth.Last(numbers, "the last logits after training",
                ModelTruth.Scores(after, ModelTruth.Integers(recorded["probe_ids"]!))
                    .AsSpan(^model.Config.VocabularySize..), recorded["probe_last"]!);
            var (a, b) = (losses.Result, numbers.Result);
            return new VerificationResult(name, a.Checked + b.Checked, a.Failed + b.Failed,
                a.FirstFailure ?? b.FirstFailure);
        });
    }

    private static Adapter Create(TransformerModel model, JsonNode recorded)
    {
        // The recorded settings are those of PEFT's files.
        var settings = new JsonObject { ["peft_type"] = "LORA" };
        foreach (var key in (string[])["r", "lora_alpha", "target_modules"])
            settings[key] = recorded[key]!.DeepClone();
        var config = AdapterFolder.ReadConfig(
            StrictJson.ParseObject(Encoding.UTF8.GetBytes(settings.ToJsonString()), "training.json"));
        var adapter = config.Create(model, seed: 1, trainable: true, "default");
        foreach (var entry in adapter.Entries.Where(e => e.QualifiedName.Contains("lora_A", StringComparison.Ordinal)))
            HostValues.Upload(model.Backend, Start(entry), entry.Parameter.Value);
        return adapter;
    }

    private static float[] Start(AdapterEntry entry)
    {
        var parts = entry.QualifiedName.Split('.');
        var layer = uint.Parse(parts[Array.IndexOf(parts, "layers") + 1],
            System.Globalization.CultureInfo.InvariantCulture);
        var module = (uint)Array.FindIndex(Modules, m => parts.Contains(m));
        var (rows, columns) = (entry.Parameter.Rows, entry.Parameter.Columns);
        var values = new float[rows * columns];
        for (uint i = 0, k = 0; i < rows; i++)
        for (uint j = 0; j < columns; j++)
            unchecked
            {
                var h = i * 73856093 ^ j * 19349663 ^ layer * 83492791 ^ module * 2654435761;
                h = (h ^ h >> 13) * 0x5bd1e995;
                h ^= h >> 15;
                values[k++] = (float)((h / 4294967296.0 - 0.5) * 0.08);
            }
        return values;
    }

    private static void Train(TransformerModel model, Adapter adapter, JsonNode root, JsonNode recorded,
        RecordedValues losses, RecordedValues numbers)
    {
        var settings = root["optimizer"]!;
        double Setting(string key) => settings[key]!.GetValue<double>();
        using var optimizer = new AdamW(model.Backend, adapter.Buffer, new AdamWOptions
        {
            Epsilon = Setting("eps"), WeightDecay = Setting("weight_decay"),
            Beta1 = settings["betas"]![0]!.GetValue<double>(), Beta2 = settings["betas"]![1]!.GetValue<double>(),
            MaxGradientNorm = Setting("max_grad_norm"),
        });
        using var run = new ModelRun(model, adapter);
        var (batches, rows) = (root["batches"]!.AsArray(), root["rows"]!.AsArray());
        for (var step = 0; step < batches.Count; step++)
        {
            List<int> ids = [], offsets = [0];
            foreach (var row in ModelTruth.Integers(batches[step]!))
            {
                ids.AddRange(ModelTruth.Integers(rows[row]!["ids"]!));
                offsets.Add(ids.Count);
            }
            optimizer.ZeroGradients();
            var loss = run.Train(new TokenBatch([.. ids], [.. offsets]), Targets.PerToken([.. ids])).Loss;
            losses.Expect($"loss {step}", recorded["losses"]![step]!.GetValue<double>(), loss);
            var norm = optimizer.GradientNorm();
            numbers.ExpectRelative($"gradient norm {step}",
                recorded["grad_norms_before_clipping"]![step]!.GetValue<double>(), norm);
            optimizer.Step(Setting("lr"), norm);
        }
    }

    private static void After(TransformerModel model, AdapterEntry entry, string run, JsonNode after,
        SafetensorsFile truth, RecordedValues numbers)
    {
        var values = StoredOrder.ToFile(entry.Parameter, HostValues.Download(model.Backend, entry.Parameter.Value));
        var norm = Math.Sqrt(values.Sum(v => (double)v * v));
        if (after[entry.QualifiedName] is not { } recorded) numbers.Fail(entry.QualifiedName);
        else numbers.ExpectRelative($"the norm of {entry.QualifiedName}", recorded["l2"]!.GetValue<double>(), norm);
        if (truth.TryGet($"{run}.after.{entry.QualifiedName}", out var stored))
            numbers.Expect($"the numbers of {entry.QualifiedName}", 0,
                Distance(values, ModelTruth.Floats(truth, stored.Name)) * StepNoise);
    }

    // As a whole: AdamW divides gradients by their size, so where one is little more than rounding its number may step
    // in either direction; one such step is a thousandth of a matrix here.
    private static double Distance(float[] found, float[] expected)
    {
        if (found.Length != expected.Length) return double.PositiveInfinity;
        var (difference, size) = (0.0, 0.0);
        for (var i = 0; i < found.Length; i++)
        {
            difference += Math.Pow((double)found[i] - expected[i], 2);
            size += (double)expected[i] * expected[i];
        }
        return Math.Sqrt(difference / size);
    }
}
