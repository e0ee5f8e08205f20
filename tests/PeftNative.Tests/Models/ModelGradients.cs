using PeftNative.Backends.Reference;
using PeftNative.Determinism;
using PeftNative.Models;
using PeftNative.Models.Steps;
using PeftNative.Ops;
using PeftNative.Peft;
using PeftNative.Peft.Lora;
using PeftNative.Tensors;
using Xunit;

namespace PeftNative.Tests.Models;

/// <summary>Central differences in double precision through a whole model.</summary>
internal static class ModelGradients
{
    private const double Step = 1e-6, Absolute = 1e-7, Relative = 1e-4;
    private const int MostElements = 12;

    /// <summary>
    /// Checks elements of every trained parameter. DoRA counts its norm as a constant, which differences do not, so of
    /// it only the magnitudes are checked.
    /// </summary>
    internal static void Check(string family, ModelTask task, ProblemType? problem, AdapterConfig config)
    {
        using var backend = ReferenceBackend.Create(DType.Float64);
        using var model = TinyModels.Create(backend, family, task, problem);
        using var adapter = config.Create(model, seed: 3, trainable: true, "default");
        using var run = new ModelRun(model, adapter) { Seed = 5, Step = 2 };
        var batch = TinyModels.Batch(model);

        backend.Fill(adapter.Buffer.Gradients, 0);
        run.Train(batch, TinyModels.Targets(model));

        var isDora = config is LoraConfig { UseDora: true };
        foreach (var entry in adapter.Entries)
        {
            if (isDora && !entry.Key.EndsWith("magnitude_vector", StringComparison.Ordinal)) continue;
            CheckParameter(backend, run, batch, entry);
        }
    }

    private static void CheckParameter(IBackend backend, ModelRun run, TokenBatch batch, AdapterEntry entry)
    {
        var values = HostValues.DownloadDoubles(backend, entry.Parameter.Value);
        var gradient = HostValues.DownloadDoubles(backend, entry.Parameter.Gradient);
        var random = new RandomStream(9, RandomPurpose.Test, (ulong)entry.Parameter.Count);
        for (var n = 0; n < Math.Min(values.Length, MostElements); n++)
        {
            var i = values.Length <= MostElements ? n : random.Below(values.Length, (ulong)n);
            var numeric = (At(Step) - At(-Step)) / (2 * Step);
            Assert.True(Math.Abs(numeric - gradient[i]) <= Absolute + Relative * Math.Abs(numeric),
                $"{entry.Key}[{i}]: {gradient[i]}, finite difference {numeric}");

            double At(double shift)
            {
                var moved = (double[])values.Clone();
                moved[i] += shift;
                HostValues.Upload(backend, moved, entry.Parameter.Value);
                // Training mode, so that dropout masks are those of the backward.
                var loss = TinyModels.Loss(run, batch, training: true);
                HostValues.Upload(backend, values, entry.Parameter.Value);
                return loss;
            }
        }
    }
}
