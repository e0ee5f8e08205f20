using PeftNative.Backends.Reference;
using PeftNative.Determinism;
using PeftNative.Models;
using PeftNative.Models.Steps;
using PeftNative.Ops;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Lora;
using PeftNative.Tensors;
using Xunit;

namespace PeftNative.Tests.Models;

/// <summary>Central differences in double precision through a whole model.</summary>
internal static class ModelGradients
{
    private const double Step = 1e-6, Absolute = 1e-7, Relative = 1e-4;
    private const int FewElements = 4, Directions = 2;

    /// <summary>
    /// Checks every trained parameter: all elements where they are few, otherwise along random directions, of which
    /// every element is a part with a weight of its own between 1/2 and 3/2, so that no two errors cancel. DoRA counts
    /// its norm as a constant, which differences do not, so of it only the magnitudes are checked.
    /// </summary>
    /// <param name="family">The model, see <see cref="TinyModels"/>.</param>
    /// <param name="task">What it is for.</param>
    /// <param name="problem">The kind of labels, where sequences are classified.</param>
    /// <param name="config">What is trained.</param>
    /// <param name="spoil">Changes the gradients before they are checked: a check that must fail.</param>
    internal static void Check(string family, ModelTask task, ProblemType? problem, AdapterConfig config,
        Action<Adapter>? spoil = null)
    {
        using var backend = ReferenceBackend.Create(DType.Float64);
        using var model = TinyModels.Create(backend, family, task, problem);
        using var adapter = config.Create(model, seed: 3, trainable: true, "default");
        using var run = new ModelRun(model, adapter) { Seed = 5, Step = 2 };
        var batch = TinyModels.Batch(model);

        backend.Fill(adapter.Buffer.Gradients, 0);
        run.Train(batch, TinyModels.Targets(model));
        spoil?.Invoke(adapter);

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
        for (var n = 0; n < Math.Min(values.Length, values.Length <= FewElements ? FewElements : Directions); n++)
        {
            var (analytic, numeric) = (Enumerable.Range(0, values.Length).Sum(i => Weight(i) * gradient[i]),
                (At(Step) - At(-Step)) / (2 * Step));
            Assert.True(Math.Abs(numeric - analytic) <= Absolute + Relative * Math.Abs(numeric),
                $"{entry.Key}, direction {n}: {analytic}, finite difference {numeric}");

            double Weight(int i)
            {
                if (values.Length <= FewElements) return i == n ? 1 : 0;
                var place = 2 * (ulong)(n * values.Length + i);
                return (0.5 + random.UniformDouble(place)) * (random.Below(2, place + 1) * 2 - 1);
            }

            double At(double shift)
            {
                double[] moved = [.. values.Select((v, i) => v + shift * Weight(i))];
                HostValues.Upload(backend, moved, entry.Parameter.Value);
                // Training mode, so that dropout masks are those of the backward.
                var loss = TinyModels.Loss(run, batch, training: true);
                HostValues.Upload(backend, values, entry.Parameter.Value);
                return loss;
            }
        }
    }
}
