using PeftNative.Models;
using PeftNative.Models.Loading;
using PeftNative.Ops;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Lora;
using PeftNative.Quantization;

namespace PeftNative.Lab.Benchmarking;

/// <summary>What a way to keep the frozen layers came to.</summary>
/// <param name="WeightBytes">Bytes of the model's weights.</param>
/// <param name="Scores">Root of the mean square error of the scores of every token, relative to the exact ones.</param>
/// <param name="Gradients">The same for the gradients of everything trained.</param>
/// <param name="Step">A training step, by the name of the way.</param>
internal sealed record QuantizationResult(long WeightBytes, double Scores, double Gradients, Measurement Step);

/// <summary>
/// Scores, gradients and time of a step with every kind of quantised base, on the model of the step benchmark.
/// </summary>
internal sealed class QuantizationBenchmark(IBackend backend, StepBenchmarkOptions options)
{
    private IEnumerable<(string Name, QuantizationOptions? Options)> Ways =>
    [
        ("as it is", null),
        ("int8", new QuantizationOptions { Type = QuantizationType.Int8 }),
        .. backend.MultipliesCodes
            ? [("int8, integer", new QuantizationOptions { Type = QuantizationType.Int8,
                Int8Compute = Int8Compute.Integer })]
            : Array.Empty<(string, QuantizationOptions?)>(),
        ("nf4", new QuantizationOptions { Type = QuantizationType.Nf4 }),
        ("nf4, double", new QuantizationOptions { Type = QuantizationType.Nf4, DoubleQuantization = true }),
        ("fp4", new QuantizationOptions { Type = QuantizationType.Fp4 }),
    ];

    /// <summary>Measures them, one after the other.</summary>
    /// <param name="exact">What computes the numbers that all are compared with, from weights that are not
    /// quantised.</param>
    /// <param name="cancellation">Stops the work between two steps.</param>
    public IReadOnlyList<QuantizationResult> Measure(IBackend exact, CancellationToken cancellation = default)
    {
        var (scores, gradients) = With(exact, null, Numbers, cancellation);
        return [.. Ways.Select(way => With(backend, way.Options, (model, run) =>
        {
            var found = Numbers(model, run);
            var times = Measurement.Interleave([run.Step], options.Warmup, options.Steps, cancellation)[0];
            return new QuantizationResult(model.WeightBytes, Error(scores, found.Scores),
                Error(gradients, found.Gradients), new Measurement(way.Name, times));
        }, cancellation))];
    }

    private T With<T>(IBackend on, QuantizationOptions? quantization, Func<TransformerModel, StepRun, T> use,
        CancellationToken cancellation)
    {
        using var model = ModelLoader.CreateRandom(on, options.ModelConfig(), seed: 1, quantization, cancellation);
        using var run = new StepRun(model, AdapterConfig(), StepRun.RandomBatch(options), ownsModel: true);
        return use(model, run);
    }

    // An adapter that changes nothing yet has no gradients in its lower half.
    private AdapterConfig AdapterConfig() =>
        options.AdapterConfig() is LoraConfig lora ? lora with { Initialization = LoraInitialization.Random }
        : options.AdapterConfig();

    private static (float[] Scores, float[] Gradients) Numbers(TransformerModel model, StepRun run)
    {
        var scores = run.Scores();
        run.Step();
        return (scores, run.Gradients());
    }

    private static double Error(float[] wanted, float[] found)
    {
        var (error, size) = (0.0, 0.0);
        for (var i = 0; i < wanted.Length; i++)
        {
            error += ((double)found[i] - wanted[i]) * ((double)found[i] - wanted[i]);
            size += (double)wanted[i] * wanted[i];
        }
        return Math.Sqrt(error / size);
    }
}
