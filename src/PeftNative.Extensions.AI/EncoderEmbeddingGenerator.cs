using Microsoft.Extensions.AI;
using PeftNative.Data;
using PeftNative.Inference;
using PeftNative.Models;
using PeftNative.Models.Layers;

namespace PeftNative.Extensions.AI;

/// <summary>
/// An encoder with adapters as a generator of embeddings: see <see cref="TextEmbedder"/>. Owns its embedder, not the
/// model, tokenizer or adapters. Thread-safe: calls from several threads are computed in turn, and several generators
/// may share a model. After <see cref="Dispose"/>, or that of the model or an adapter, a call is an
/// <see cref="ObjectDisposedException"/>.
/// </summary>
public sealed class EncoderEmbeddingGenerator : IEmbeddingGenerator<string, Embedding<float>>
{
    private readonly TextEmbedder embedder;
    private readonly EmbeddingGeneratorMetadata metadata;

    /// <summary>Makes a generator.</summary>
    /// <param name="model">An encoder; it must outlive the generator.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="adapters">The adapters in force; none for the base.</param>
    /// <exception cref="UsageException">The model is no encoder.</exception>
    public EncoderEmbeddingGenerator(TransformerModel model, ITokenizer tokenizer,
        params IReadOnlyList<AttachmentSet> adapters)
    {
        embedder = new TextEmbedder(model, tokenizer, adapters);
        metadata = new EmbeddingGeneratorMetadata("peftnative", defaultModelId: Path.GetFileName(model.Folder),
            defaultModelDimensions: model.Config.HiddenSize);
    }

    /// <inheritdoc/>
    /// <exception cref="UsageException">Another number of dimensions is asked for.</exception>
    /// <exception cref="ObjectDisposedException">The generator, the model or an adapter has been disposed.</exception>
    public async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<string> values, EmbeddingGenerationOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        if (options?.Dimensions is { } dimensions && dimensions != metadata.DefaultModelDimensions)
            throw new UsageException(
                $"The embeddings have {metadata.DefaultModelDimensions} dimensions, not {dimensions}.",
                remedy: "Leave Dimensions out.");
        string[] texts = [.. values];
        var vectors = await Task.Run(() => embedder.Embed(texts, null, cancellationToken), cancellationToken)
            .ConfigureAwait(false);
        return new GeneratedEmbeddings<Embedding<float>>(
            vectors.Select(v => new Embedding<float>(v) { ModelId = metadata.DefaultModelId }));
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null) => serviceKey is not null ? null
        : serviceType == typeof(EmbeddingGeneratorMetadata) ? metadata : serviceType.IsInstanceOfType(this)
        ? this : null;

    /// <inheritdoc/>
    public void Dispose() => embedder.Dispose();
}
