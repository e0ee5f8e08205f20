using System.Text;
using PeftNative.Backends;
using PeftNative.Formats.Json;
using PeftNative.Models;
using PeftNative.Models.Config;
using PeftNative.Models.Families;
using PeftNative.Models.Loading;
using PeftNative.Tensors;
using Xunit;

namespace PeftNative.Tests.Models;

/// <summary>T5 with so few buckets, or so short a distance, that the reference's formula ends.</summary>
public sealed class RelativeDistanceTests
{
    [Theory]
    [InlineData(1, 4)]
    [InlineData(2, 4)]
    [InlineData(3, 128)]
    public void Buckets_that_an_encoder_cannot_halve_twice_are_refused(int buckets, int maxDistance)
    {
        var error = Assert.Throws<ModelFormatException>(() => Config(buckets, maxDistance));
        Assert.Contains("relative_attention_num_buckets", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("cpu")]
    [InlineData("reference")]
    public void Short_distances_work_as_far_as_the_formula_does(string name)
    {
        using var backend = Backend(name);
        Assert.True(double.IsFinite(Loss(backend, 8, 8)));
        Assert.True(double.IsFinite(Loss(backend, 4, 4)));
        Assert.True(double.IsFinite(Loss(backend, 32, 16)));
        // The longest sequences are 7 tokens of source and 5 of target; an encoder with 8 buckets counts 2 distances.
        var error = Assert.Throws<DataException>(() => Loss(backend, 8, 2));
        Assert.Contains("relative_attention_max_distance", error.Message, StringComparison.Ordinal);
    }

    private static PeftNative.Ops.IBackend Backend(string name)
    {
        var status = BackendFactory.Survey().First(b => b.Name == name);
        if (!status.IsAvailable) Assert.Skip(status.Detail);
        return BackendFactory.Create(name, DType.Float32);
    }

    private static double Loss(PeftNative.Ops.IBackend backend, int buckets, int maxDistance)
    {
        using var model = ModelLoader.CreateRandom(backend, Config(buckets, maxDistance), seed: 7);
        using var run = new ModelRun(model);
        return TinyModels.Loss(run, TinyModels.Batch(model));
    }

    private static TransformerConfig Config(int buckets, int maxDistance) =>
        FamilyTable.Read(StrictJson.ParseObject(Encoding.UTF8.GetBytes($$"""
            {"model_type": "t5", "d_model": 12, "num_heads": 3, "d_kv": 5, "d_ff": 11, "num_layers": 2,
             "vocab_size": 17, "relative_attention_num_buckets": {{buckets}},
             "relative_attention_max_distance": {{maxDistance}}}
            """))) with { Task = ModelTask.SequenceToSequence };
}
