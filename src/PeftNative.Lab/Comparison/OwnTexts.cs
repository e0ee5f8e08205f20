using PeftNative.Data.Encoding;
using PeftNative.Data.Reading;
using PeftNative.Inference;
using PeftNative.Models;

namespace PeftNative.Lab.Comparison;

/// <summary>Texts of the base's own kind, where none are at hand: the base writes them itself.</summary>
public static class OwnTexts
{
    /// <summary>
    /// Texts sampled from the base at temperature 1. Their perplexity under the base is the exponential of its entropy,
    /// and under an adapted model larger by the exponential of the divergence of the two, so it measures how far the
    /// model has moved from the base on the base's own ground.
    /// </summary>
    /// <param name="model">The base.</param>
    /// <param name="begin">The token every text begins with.</param>
    /// <param name="count">Number of texts.</param>
    /// <param name="tokens">The most tokens of a text.</param>
    /// <param name="seed">Seed of the sampling.</param>
    /// <param name="cancellation">Stops the work.</param>
    public static EncodedData Sample(
        TransformerModel model, int begin, int count, int tokens, ulong seed, CancellationToken cancellation = default)
    {
        using var generator = new Generator(model);
        var examples = new List<Example>(count);
        for (var i = 0; i < count; i++)
        {
            var options = new GenerationOptions
            {
                MaxTokens = tokens, Temperature = 1, Seed = seed + (ulong)i, IgnoreEndOfSequence = false,
            };
            int[] ids = [begin, .. generator.Generate([begin], options, cancellation)];
            if (ids.Length > 1) examples.Add(ToExample(ids, i));
        }
        return EncodedData.Of(examples);
    }

    /// <summary>
    /// What an encoder-decoder writes by itself of some sources, at temperature 1, as examples with these sources.
    /// Their perplexity is smallest under the base.
    /// </summary>
    /// <param name="model">The base.</param>
    /// <param name="sources">Examples whose sources are read.</param>
    /// <param name="tokens">The most tokens of a text.</param>
    /// <param name="seed">Seed of the sampling.</param>
    /// <param name="cancellation">Stops the work.</param>
    public static EncodedData Write(
        TransformerModel model, IReadOnlyList<Example> sources, int tokens, ulong seed,
        CancellationToken cancellation = default)
    {
        using var generator = new Generator(model);
        var examples = new List<Example>(sources.Count);
        foreach (var (source, i) in sources.Select((s, i) => (s, i)))
        {
            var options = new GenerationOptions { MaxTokens = tokens, Temperature = 1, Seed = seed + (ulong)i };
            int[] ids = [.. generator.Generate(source.Ids, options, cancellation)];
            if (ids.Length > 0)
                examples.Add(source with { DecoderIds = ids, Origin = new RecordOrigin("written by the base", i + 1) });
        }
        return EncodedData.Of(examples);
    }

    private static Example ToExample(int[] ids, int number) => new()
    {
        Ids = ids, Labels = [Example.Masked, .. ids.AsSpan(1)],
        Origin = new RecordOrigin("sampled from the base", number + 1),
    };
}
