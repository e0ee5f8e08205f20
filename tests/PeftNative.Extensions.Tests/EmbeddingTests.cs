using Microsoft.Extensions.AI;
using PeftNative.Backends.Reference;
using PeftNative.Extensions.AI;
using PeftNative.Inference;
using PeftNative.Models.Loading;
using PeftNative.Tensors;
using PeftNative.Tests.Data;
using Xunit;

namespace PeftNative.Extensions.Tests;

public class EmbeddingTests
{
    [Fact]
    public async Task Embeddings_have_length_one_and_do_not_depend_on_their_company()
    {
        using var backend = ReferenceBackend.Create(DType.Float32);
        using var model = ModelLoader.Load(backend, Path.Combine(AppContext.BaseDirectory, "bert")).Model;
        using var generator = new EncoderEmbeddingGenerator(model, new ToyTokenizer(ToyTokenizer.Manner.Bert));
        var token = TestContext.Current.CancellationToken;
        string[] texts = ["one two", "three", "one two three four"];
        var together = await generator.GenerateAsync(texts, cancellationToken: token);
        Assert.All(together, e => Assert.Equal(1, e.Vector.ToArray().Sum(v => (double)v * v), 1e-5));
        for (var i = 0; i < texts.Length; i++)
        {
            var alone = await generator.GenerateAsync([texts[i]], cancellationToken: token);
            Assert.All(alone[0].Vector.ToArray().Zip(together[i].Vector.ToArray()),
                p => Assert.Equal(p.First, p.Second, 1e-5f));
        }
        Assert.NotEqual(together[0].Vector.ToArray(), together[1].Vector.ToArray());
        Assert.Equal(model.Config.HiddenSize,
            generator.GetService<EmbeddingGeneratorMetadata>()!.DefaultModelDimensions);
        await Assert.ThrowsAsync<UsageException>(
            () => generator.GenerateAsync(texts, new EmbeddingGenerationOptions { Dimensions = 3 }, token));
    }

    [Fact]
    public void A_language_model_is_refused()
    {
        using var backend = ReferenceBackend.Create(DType.Float32);
        using var model = ModelLoader.Load(backend, Path.Combine(AppContext.BaseDirectory, "demo-base")).Model;
        Assert.Throws<UsageException>(() => new TextEmbedder(model, new ToyTokenizer()));
    }
}
