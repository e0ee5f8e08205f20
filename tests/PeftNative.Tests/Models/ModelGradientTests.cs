using PeftNative.Backends.Reference;
using PeftNative.Determinism;
using PeftNative.Models;
using PeftNative.Peft;
using PeftNative.Peft.Lora;
using PeftNative.Tensors;
using Xunit;

namespace PeftNative.Tests.Models;

/// <summary>Finite differences in double precision through whole models: every layer, every head, every setting of LoRA.</summary>
public class ModelGradientTests
{
    private const double Step = 1e-6, Absolute = 1e-7, Relative = 1e-4;

    public static TheoryData<string, ModelTask, ProblemType?> Models => new()
    {
        { "gpt2", ModelTask.CausalLm, null },
        { "gpt2", ModelTask.SequenceClassification, ProblemType.SingleLabel },
        { "gpt2", ModelTask.TokenClassification, null },
        { "llama", ModelTask.CausalLm, null },
        { "llama", ModelTask.SequenceClassification, ProblemType.MultiLabel },
        { "llama-yarn", ModelTask.CausalLm, null },
        { "bert", ModelTask.SequenceClassification, ProblemType.SingleLabel },
        { "bert", ModelTask.SequenceClassification, ProblemType.Regression },
        { "bert", ModelTask.TokenClassification, null },
    };

    public static TheoryData<string, string> LoraSettings => new()
    {
        { "gpt2", "plain" }, { "gpt2", "dropout" }, { "gpt2", "dora" }, { "gpt2", "dora dropout" }, { "gpt2", "bias" }, { "gpt2", "save" },
        { "llama", "plain" }, { "llama", "dropout" }, { "llama", "dora" }, { "llama", "dora dropout" }, { "llama", "bias" },
        { "llama", "embedding" }, { "llama", "top layer" }, { "llama", "save" },
    };

    [Theory]
    [MemberData(nameof(Models))]
    public void Full_fine_tuning_matches_finite_differences(string family, ModelTask task, ProblemType? problem) =>
        Check(family, task, problem, new FullConfig());

    [Theory]
    [MemberData(nameof(Models))]
    public void Lora_on_all_linear_layers_matches_finite_differences(string family, ModelTask task, ProblemType? problem) =>
        Check(family, task, problem, new LoraConfig { R = 3, Targets = new TargetModules(null, "all-linear"), Initialization = LoraInitialization.Random });

    [Theory]
    [MemberData(nameof(LoraSettings))]
    public void Every_setting_of_lora_matches_finite_differences(string family, string setting)
    {
        var config = new LoraConfig { R = 2, Alpha = 6, Initialization = LoraInitialization.Random };
        Check(family, ModelTask.CausalLm, null, setting switch
        {
            "dropout" => config with { Dropout = 0.3 },
            "dora" => config with { UseDora = true },
            "dora dropout" => config with { UseDora = true, Dropout = 0.3 },
            "bias" => config with { Bias = BiasTraining.All },
            "embedding" => config with { Targets = TargetModules.Of("embed_tokens", "q_proj") },
            "top layer" => config with { Targets = TargetModules.Of("q_proj", "up_proj"), Layers = [1] },
            "save" => config with { ModulesToSave = family == "gpt2" ? ["ln_1", "lm_head"] : ["norm", "k_proj", "embed_tokens"] },
            _ => config,
        });
    }

    // DoRA counts its norm as a constant, so its finite differences must too: the magnitude is scaled along with the norm.
    private static void Check(string family, ModelTask task, ProblemType? problem, AdapterConfig config)
    {
        using var backend = ReferenceBackend.Create(DType.Float64);
        using var model = TinyModels.Create(backend, family, task, problem);
        using var adapter = config.Create(model, seed: 3, trainable: true, "default");
        using var pass = new Pass(model, adapter) { Seed = 5, Step = 2 };
        var batch = TinyModels.Batch(types: family == "bert");

        backend.Fill(adapter.Buffer.Gradients, 0);
        pass.Begin(batch, training: true);
        model.TrainStep(pass, TinyModels.Targets(pass, batch));

        var isDora = config is LoraConfig { UseDora: true };
        foreach (var entry in adapter.Entries)
        {
            if (isDora && !entry.Key.EndsWith("magnitude_vector", StringComparison.Ordinal)) continue;
            CheckParameter(backend, pass, batch, entry);
        }
    }

    private static void CheckParameter(PeftNative.Ops.IBackend backend, Pass pass, TokenBatch batch, AdapterEntry entry)
    {
        var values = HostValues.DownloadDoubles(backend, entry.Parameter.Value);
        var gradient = HostValues.DownloadDoubles(backend, entry.Parameter.Gradient);
        var random = new RandomStream(9, RandomPurpose.Test, (ulong)entry.Parameter.Count);
        for (var n = 0; n < Math.Min(values.Length, 12); n++)
        {
            var i = values.Length <= 12 ? n : random.Below(values.Length, (ulong)n);
            var numeric = (At(Step) - At(-Step)) / (2 * Step);
            Assert.True(Math.Abs(numeric - gradient[i]) <= Absolute + Relative * Math.Abs(numeric),
                $"{entry.Key}[{i}]: {gradient[i]}, finite difference {numeric}");

            double At(double shift)
            {
                var moved = (double[])values.Clone();
                moved[i] += shift;
                HostValues.Upload(backend, moved, entry.Parameter.Value);
                // Training mode, so that dropout masks are those of the backward.
                var loss = TinyModels.Loss(pass, batch, training: true);
                HostValues.Upload(backend, values, entry.Parameter.Value);
                return loss;
            }
        }
    }
}
