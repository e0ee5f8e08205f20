using System.Diagnostics;
using PeftNative.Backends.Reference;
using PeftNative.Inference;
using PeftNative.Models;
using PeftNative.Models.Layers;
using PeftNative.Models.Loading;
using PeftNative.Models.Steps;
using PeftNative.Models.Weights;
using PeftNative.Ops;
using PeftNative.Peft;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Mixed;
using PeftNative.Tensors;
using PeftNative.Training.Optimization;

namespace PeftNative.Lab.Verification;

/// <summary>
/// What replaying one case found: the largest relative errors; null where the reference recorded nothing.
/// </summary>
public sealed record CaseResult(string Case)
{
    /// <summary>Whether everything holds.</summary>
    public bool Passed { get; init; }

    /// <summary>Logits with the adapter, and of the bare base.</summary>
    public double? Logits { get; init; }

    /// <summary>Loss before training.</summary>
    public double? Loss { get; init; }

    /// <summary>The worst gradient.</summary>
    public double? Gradient { get; init; }

    /// <summary>Losses of the optimizer steps, and parameters after them.</summary>
    public double? Steps { get; init; }

    /// <summary>Logits after merging.</summary>
    public double? Merged { get; init; }

    /// <summary>Whether the generated tokens are the same.</summary>
    public bool? Generated { get; init; }

    /// <summary>
    /// What the reference does with an adapter folder: <c>loads</c>, <c>warns</c> or <c>error</c>; else null.
    /// </summary>
    public string? Expect { get; init; }

    /// <summary>Likewise what this engine does; null when it did not get so far.</summary>
    public string? Got { get; init; }

    /// <summary>Wall time.</summary>
    public double Seconds { get; init; }

    /// <summary>What failed, in words; null when all is well.</summary>
    public string? Failure { get; init; }
}

/// <summary>
/// Replays a recorded case on a backend: logits, loss, gradients, optimizer steps, merging, generation, and the files
/// of the adapter. Positions that the attention mask hides are not compared: the engine does not compute padding.
/// Used by one thread at a time, like its backend.
/// </summary>
public sealed partial class CaseRunner(IBackend backend, RecordedCase recorded)
{
    private readonly CaseTolerance limits = CaseTolerance.Of(backend.ComputeType);

    private readonly List<string> failures = [];
    private readonly Dictionary<string, double> errors = [];
    private Dictionary<string, double>? reference;

    /// <summary>Runs the case; errors of the engine count as failures.</summary>
    public CaseResult Run()
    {
        var clock = Stopwatch.StartNew();
        var result = new CaseResult(recorded.Name);
        try
        {
            result = recorded.Kind switch
            {
                "train" or "adapterhub" or "qlora" => Replay(result),
                "mixed" => ReplayMixed(result),
                "weighted" => ReplayWeighted(result),
                "files" => ReplayFiles(result),
                "quantized-base" => ReplayQuantizedBase(result),
                var other => throw recorded.Json.Error("kind", $"Cases of the kind '{other}' are not supported."),
            };
        }
        catch (PeftNativeException e)
        {
            failures.Add(e.Message);
        }
        return result with
        {
            Passed = failures.Count == 0, Failure = failures.Count == 0
                ? null : string.Join("; ", failures), Seconds = clock.Elapsed.TotalSeconds,
        };
    }

    private CaseResult Replay(CaseResult result)
    {
        var (model, _) = ModelLoader.Load(backend, recorded.Base, recorded.Options());
        using var owner = model;
        var (batch, places) = recorded.Batch();
        using var run = new ModelRun(model);
        if (recorded.Kind == "qlora") failures.AddRange(QuantizationComparison.Differences(model, recorded));
        if (recorded.Has("base_logits"))
            result = result with { Logits = Check("base_logits", Logits(run, batch), places, limits.Outputs) };

        using var adapter = CreateAdapter(model);
        run.Adapters = [adapter];
        result =
            result with { Logits = Worse(result.Logits, Check("logits", Logits(run, batch), places, limits.Outputs)) };
        var begin = adapter.Entries.Select(e => HostValues.Download(backend, e.Parameter.Value)).ToList();
        result = Train(result, adapter, run, batch, places);

        foreach (var (entry, values) in adapter.Entries.Zip(begin))
            HostValues.Upload(backend, values, entry.Parameter.Value);
        CheckFiles(model, adapter, run, batch);
        if (recorded.Has("generated")) result = result with { Generated = CheckGenerated(model, adapter) };
        if (recorded.Has("merged_logits"))
        {
            adapter.Merge();
            run.Adapters = [];
            result = result with { Merged = Check("merged_logits", Logits(run, batch), places, limits.Outputs) };
            CheckQuantizedAgain(batch, places);
        }
        return result;
    }

    private CaseResult ReplayMixed(CaseResult result) => Combined(result, (model, adapters) =>
        MixedAdapters.ByName(model, adapters, recorded.Json.GetStringList("adapter_names")));

    private CaseResult ReplayWeighted(CaseResult result)
    {
        var (rule, usesSvd) = WeightedMergeOptions.Parse(recorded.Json.GetString("combination_type"));
        var options = new WeightedMergeOptions
        {
            Rule = rule, UsesSvd = usesSvd, SvdRank = recorded.Json.GetOptionalInt("svd_rank"),
            Density = recorded.Json.GetDouble("density", 1),
            SignMethod = recorded.Json.GetString("majority_sign_method", "total") == "frequency"
                ? SignMethod.Frequency : SignMethod.Total,
        };
        return Combined(result, (_, adapters) => adapters.Values.First().Config.Method.Combine!(
            [.. adapters.Values], recorded.Json.GetDoubleList("weights"), options, "combined"));
    }

    private CaseResult Combined(CaseResult result,
        Func<TransformerModel, IReadOnlyDictionary<string, Adapter>, AttachmentSet> combine)
    {
        var (model, _) = ModelLoader.Load(backend, recorded.Base, recorded.Options());
        using var owner = model;
        var adapters = recorded.Json.GetStringList("adapters")
            .ToDictionary(n => n, n => AdapterFolder.Load(model, Path.Combine(recorded.Folder, n), name: n));
        var (batch, places) = recorded.Batch();
        var combined = combine(model, adapters);
        try
        {
            using var run = new ModelRun(model, combined);
            return result with { Logits = Check("logits", Logits(run, batch), places, limits.Outputs) };
        }
        finally
        {
            (combined as IDisposable)?.Dispose();
            foreach (var adapter in adapters.Values) adapter.Dispose();
        }
    }

    private Adapter CreateAdapter(TransformerModel model)
    {
        // Parts of the model itself are no adapter of PEFT's.
        var config = Methods.All.FirstOrDefault(m => m.IsBaseline && m.Name == recorded.Method)
            ?.FromSettings([], baseModel: null) ?? AdapterFolder.ReadConfig(Path.Combine(recorded.Folder, "adapter"));
        var adapter = config.Create(model, seed: 1, trainable: true, "default");
        // Cases of quantised bases do not count.
        if (recorded.Json.Has("trainable_parameters"))
        {
            CheckEqual("trainable_parameters", recorded.Json.GetLong("trainable_parameters"), adapter.ParameterCount);
            if (recorded.Json.Has("all_parameters"))
                CheckEqual("all_parameters", recorded.Json.GetLong("all_parameters"), adapter.TotalParameterCount);
        }
        SetTrainables(adapter, "trainable.");
        return adapter;
    }

    private void SetTrainables(Adapter adapter, string prefix)
    {
        var names = recorded.Names(prefix).ToHashSet();
        if (names.Count > 0)
            foreach (var missing in names.Except(adapter.Entries.Select(e => e.QualifiedName)))
                failures.Add($"the adapter has no parameter {missing}");
        foreach (var entry in adapter.Entries)
        {
            if (!names.Contains(entry.QualifiedName))
            {
                if (names.Count > 0) failures.Add($"the reference has no parameter {entry.QualifiedName}");
                continue;
            }
            var values = StoredOrder.FromFile(entry.Parameter, recorded.Floats(prefix + entry.QualifiedName));
            HostValues.Upload(backend, values, entry.Parameter.Value);
        }
    }

    private CaseResult Train(CaseResult result, Adapter adapter, ModelRun run, TokenBatch batch, int[] places)
    {
        var settings = recorded.Json.GetObject("optimizer");
        using var optimizer = new AdamW(backend, adapter.Buffer, new AdamWOptions
        {
            Epsilon = settings.GetDouble("eps"), WeightDecay = settings.GetDouble("weight_decay"),
            Beta1 = settings.GetDoubleList("betas")[0], Beta2 = settings.GetDoubleList("betas")[1],
            MaxGradientNorm = settings.GetDouble("max_grad_norm"),
        });
        var losses = new float[settings.GetInt("steps")];
        var targets = recorded.Targets(places);
        double? gradient = null;
        for (var step = 0; step < losses.Length; step++)
        {
            optimizer.ZeroGradients();
            losses[step] = (float)run.Train(batch, targets).Loss;
            if (step == 0) gradient = CheckGradients(adapter);
            optimizer.Step(settings.GetDouble("lr"), optimizer.GradientNorm());
        }
        var after = CheckAfter(adapter);
        return result with
        {
            Loss = Check("loss", [losses[0]], null, limits.Outputs),
            Gradient = gradient,
            Steps = Worse(Check("losses", losses, null, limits.Losses), after),
        };
    }

    // A case with many parameters may leave their gradients out, and says so; its losses remain.
    private bool HasGradients => recorded.Json.GetOptionalString("gradients") is null;

    private double? CheckGradients(Adapter adapter)
    {
        if (!HasGradients) return null;
        var noise = Noise(adapter);
        double? worst = null;
        foreach (var entry in adapter.Entries)
        {
            var actual = StoredOrder.ToFile(entry.Parameter, HostValues.Download(backend, entry.Parameter.Gradient));
            worst = Worse(worst, Check("grad." + entry.QualifiedName, actual, null, limits.Gradients, noise));
            AdoptNoise(entry.Parameter, actual, recorded.Floats("grad." + entry.QualifiedName), noise);
        }
        return worst;
    }

    // AdamW makes a full first step of a gradient that is nothing but rounding, by its sign, and the steps after it
    // feel that. So elements no larger than what a gradient may be off by (the recorded ones are themselves rounded) go
    // on with the recorded gradient.
    private void AdoptNoise(Parameter parameter, float[] actual, float[] expected, double noise)
    {
        var floor = Math.Max(limits.Gradients * expected.Max(MathF.Abs), noise);
        for (var i = 0; i < actual.Length; i++)
            if (!(MathF.Abs(expected[i]) > floor)) actual[i] = expected[i];
        HostValues.Upload(backend, StoredOrder.FromFile(parameter, actual), parameter.Gradient);
    }

    // Some gradients are zero in theory (a key's bias) and rounding noise in practice; the size of all others is
    // their measure.
    private double Noise(Adapter adapter) =>
        limits.Noise * adapter.Entries.Max(e => recorded.Floats("grad." + e.QualifiedName).Max(MathF.Abs));

    private double? CheckAfter(Adapter adapter)
    {
        if (!HasGradients) return null;
        double? worst = null;
        var noise = Noise(adapter);
        foreach (var entry in adapter.Entries.Where(e => recorded.Has("after." + e.QualifiedName)))
        {
            var expected = recorded.Floats("after." + entry.QualifiedName);
            var actual = StoredOrder.ToFile(entry.Parameter, HostValues.Download(backend, entry.Parameter.Value));
            var gradient = recorded.Floats("grad." + entry.QualifiedName);
            var floor = Math.Max(1e-6 * gradient.Max(MathF.Abs), noise);
            for (var i = 0; i < expected.Length; i++)
                if (!(MathF.Abs(gradient[i]) > floor)) actual[i] = expected[i];
            worst = Worse(worst, Check("after." + entry.QualifiedName, actual, null, limits.Parameters));
        }
        return worst;
    }

    // What the reference saved must load and give the same logits, bit for bit unless the reference has computed
    // something else from what was trained; and what is saved here must have its keys and settings.
    private void CheckFiles(TransformerModel model, Adapter adapter, ModelRun run, TokenBatch batch)
    {
        var folder = Path.Combine(recorded.Folder, "adapter");
        if (!Directory.Exists(folder)) return;
        var expected = Logits(run, batch);
        using (var loaded = AdapterFolder.Load(model, folder))
        {
            run.Adapters = [loaded];
            var error = RelativeError.Of(Logits(run, batch), expected);
            if (!(error <= (adapter.StoredEntries == adapter.Entries ? 0 : limits.Outputs)))
                failures.Add($"logits of the reference's adapter files are off by {error:0.0e0}");
        }
        failures.AddRange(AdapterComparison.Differences(adapter, folder));
        run.Adapters = [adapter];
    }

    private const int UsualPrompt = 5;

    private bool CheckGenerated(TransformerModel model, Adapter adapter)
    {
        var expected = recorded.Integers("generated");
        // What a decoder writes begins with its start token; what a causal model continues, with the prompt.
        var isDecoder = recorded.Task == ModelTask.SequenceToSequence;
        var length = recorded.Json.GetOptionalObject("generate")?.GetOptionalInt("prompt_tokens") ?? UsualPrompt;
        var prompt = recorded.Integers("inputs.input_ids")[..length];
        var written = expected[(isDecoder ? 1 : prompt.Length)..];
        using var generator = new Generator(model, [adapter]);
        var tokens = generator.Generate(prompt,
            new GenerationOptions { MaxTokens = written.Length, IgnoreEndOfSequence = true });
        var same = tokens.SequenceEqual(written);
        if (!same && limits.IsExact)
            failures.Add($"generated {string.Join(' ', tokens)}, expected {string.Join(' ', written)}");
        return same;
    }

    private float[] Logits(ModelRun run, TokenBatch batch)
    {
        run.Forward(batch);
        return HostValues.Download(backend, run.Scores());
    }

    private double Check(string name, float[] actual, int[]? places, double limit, double noise = 0)
    {
        var expected = recorded.Floats(name);
        if (places is not null && recorded.Shape(name).Length == 3)
            expected = recorded.Rows(name, places);
        var error = RelativeError.Of(actual, expected, noise);
        var kind = name.Split('.')[0];
        errors[kind] = Math.Max(errors.GetValueOrDefault(kind), error);
        if (!(error <= limit) && !IsRounding(kind, error))
            failures.Add($"{name} is off by {error:0.0e0} (limit {limit:0e0})");
        return error;
    }

    private bool IsRounding(string kind, double error)
    {
        if (limits.IsExact || !double.IsFinite(error)) return false;
        reference ??= ErrorsOfReference();
        return error <= (kind == "grad" ? 3 : 2) * reference.GetValueOrDefault(kind);
    }

    private Dictionary<string, double> ErrorsOfReference()
    {
        // Measured by itself the reference could not fail, so the plain limits hold for it.
        if (backend is ReferenceBackend) return [];
        using var exact = ReferenceBackend.Create(backend.ComputeType);
        var runner = new CaseRunner(exact, recorded);
        runner.Run();
        return runner.errors;
    }

    private void CheckEqual(string what, long expected, long actual)
    {
        if (expected != actual) failures.Add($"{what} is {actual}, expected {expected}");
    }

    private static double? Worse(double? a, double? b) => a is null ? b : b is null
        ? a : double.IsNaN(a.Value) || !(b > a) ? a : b;
}
