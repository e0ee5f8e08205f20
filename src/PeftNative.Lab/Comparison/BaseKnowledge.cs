using PeftNative.Data.Batching;
using PeftNative.Data.Encoding;
using PeftNative.Models;
using PeftNative.Models.Layers;
using PeftNative.Tensors;
using PeftNative.Training.Loop;

namespace PeftNative.Lab.Comparison;

/// <summary>
/// Something the base can do before it is adapted, measured before and after, to see what is forgotten. Used by one
/// thread at a time, like its backend.
/// </summary>
public interface IBaseKnowledge
{
    /// <summary>What is measured, in a few words.</summary>
    string Name { get; }

    /// <summary>Whether a smaller number is better.</summary>
    bool LowerIsBetter { get; }

    /// <summary>Measures a model, with or without adapters.</summary>
    double Measure(TransformerModel model, params IReadOnlyList<AttachmentSet> adapters);
}

/// <summary>
/// How well a language model predicts texts of the base's own kind. Used by one thread at a time, like its backend.
/// </summary>
/// <param name="texts">The texts.</param>
/// <param name="name">Where they are from, in a few words.</param>
public sealed class OwnTextPerplexity(EncodedData texts, string name) : IBaseKnowledge
{
    /// <inheritdoc/>
    public string Name => $"perplexity of {name}";

    /// <inheritdoc/>
    public bool LowerIsBetter => true;

    /// <inheritdoc/>
    public double Measure(TransformerModel model, params IReadOnlyList<AttachmentSet> adapters)
    {
        using var evaluator = new Evaluator(model, texts, batchSize: 16, adapters);
        return evaluator.Run()!["perplexity"];
    }
}

/// <summary>
/// How alike the states of texts are to those the base gives them: the mean cosine. 1 for the base itself. For models
/// that do not generate and where no probe task is given. Used by one thread at a time, like its backend.
/// </summary>
/// <param name="examples">Some texts.</param>
public sealed class StateSimilarity(IReadOnlyList<Example> examples) : IBaseKnowledge
{
    private float[][]? own;

    /// <inheritdoc/>
    public string Name => "likeness of texts' states to the base's (mean cosine)";

    /// <inheritdoc/>
    public bool LowerIsBetter => false;

    /// <inheritdoc/>
    public double Measure(TransformerModel model, params IReadOnlyList<AttachmentSet> adapters)
    {
        own ??= TextStates.Of(model, examples);
        return TextStates.Of(model, examples, adapters).Zip(own, TextStates.Cosine).Average();
    }
}

/// <summary>
/// A probe task without training: texts are classified by the nearest centroid (by cosine) of the states of labelled
/// texts. Used by one thread at a time, like its backend.
/// </summary>
/// <param name="reference">The labelled texts that make the centroids.</param>
/// <param name="test">Those to classify.</param>
/// <param name="name">Where they are from.</param>
public sealed class CentroidAccuracy(IReadOnlyList<Example> reference, IReadOnlyList<Example> test, string name)
    : IBaseKnowledge
{
    /// <inheritdoc/>
    public string Name => $"accuracy of nearest centroids on {name}";

    /// <inheritdoc/>
    public bool LowerIsBetter => false;

    /// <inheritdoc/>
    public double Measure(TransformerModel model, params IReadOnlyList<AttachmentSet> adapters)
    {
        var centroids = TextStates.Of(model, reference, adapters)
            .Zip(reference, (state, e) => (state, Class: e.Class!.Value))
            .GroupBy(p => p.Class, p => p.state).ToDictionary(g => g.Key, g => TextStates.Centroid([.. g]));
        var right = TextStates.Of(model, test, adapters).Zip(test)
            .Count(p => centroids.MaxBy(c => TextStates.Cosine(p.First, c.Value)).Key == p.Second.Class);
        return (double)right / test.Count;
    }
}

/// <summary>The mean of a text's last states, scaled to length 1.</summary>
internal static class TextStates
{
    private const int BatchSize = 32;

    /// <summary>A vector [hidden] for each example.</summary>
    public static float[][] Of(TransformerModel model, IReadOnlyList<Example> examples,
        params IReadOnlyList<AttachmentSet> adapters)
    {
        using var run = new ModelRun(model, adapters);
        var result = new List<float[]>(examples.Count);
        foreach (var chunk in examples.Chunk(BatchSize))
        {
            run.Forward(ModelBatch.Tokens(model, Batch.Of(chunk)));
            var states = HostValues.Download(model.Backend, run.Hidden).AsSpan();
            var width = model.Config.HiddenSize;
            for (var s = 0; s < chunk.Length; s++)
                result.Add(Mean(states.Slice(run.Rows.RowOf(s, 0) * width, chunk[s].Length * width), width));
        }
        return [.. result];
    }

    /// <summary>The mean of some vectors, scaled to length 1.</summary>
    public static float[] Centroid(float[][] vectors) => Mean([.. vectors.SelectMany(v => v)], vectors[0].Length);

    /// <summary>The cosine of two vectors of length 1.</summary>
    public static double Cosine(float[] a, float[] b)
    {
        var sum = 0.0;
        for (var i = 0; i < a.Length; i++) sum += (double)a[i] * b[i];
        return sum;
    }

    private static float[] Mean(ReadOnlySpan<float> rows, int width)
    {
        var sum = new double[width];
        for (var i = 0; i < rows.Length; i++) sum[i % width] += rows[i];
        var length = Math.Sqrt(sum.Sum(v => v * v));
        return Array.ConvertAll(sum, v => (float)(v / Math.Max(length, 1e-30)));
    }
}
