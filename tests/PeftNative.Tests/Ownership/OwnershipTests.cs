using PeftNative.Data.Encoding;
using PeftNative.Data.Reading;
using PeftNative.Inference;
using PeftNative.Models.Loading;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Baselines;
using PeftNative.Peft.Bottleneck;
using PeftNative.Peft.Ia3;
using PeftNative.Peft.Lora;
using PeftNative.Peft.Mixed;
using PeftNative.Peft.PTuning;
using PeftNative.Peft.PrefixTuning;
using PeftNative.Peft.PromptTuning;
using PeftNative.Tests.Data;
using PeftNative.Training.Loop;
using Xunit;

namespace PeftNative.Tests.Ownership;

/// <summary>Whoever takes memory from a backend gives it back when disposed: a backend counts.</summary>
public class OwnershipTests
{
    private static readonly string Base = Path.Combine(AppContext.BaseDirectory, "golden", "bases", "llama-causal");

    public static TheoryData<string> Methods =>
        ["LORA", "DORA", "IA3", "PREFIX", "PROMPT", "PTUNING", "BOTTLENECK", "FULL"];

    [Theory]
    [MemberData(nameof(Methods))]
    public void Loading_training_generating_and_disposing_leaves_nothing_behind(string method)
    {
        using var backend = new CountingBackend();
        using (var model = ModelLoader.Load(backend, Base).Model)
        {
            var before = backend.Held.Count;
            using (var adapter = ConfigOf(method).Create(model, seed: 1, trainable: true, "default"))
            {
                using (var trainer = new Trainer(model, adapter, Data(), eval: Data(),
                    new TrainerOptions { MaxSteps = 2, BatchSize = 2 })) trainer.Run();
                using var generator = new Generator(model, adapter);
                Assert.NotEmpty(generator.Generate([1, 2, 3],
                    new GenerationOptions { MaxTokens = 3, IgnoreEndOfSequence = true }));
                using var stream = generator.Stream([1, 2],
                    new GenerationOptions { MaxTokens = 5, IgnoreEndOfSequence = true }).GetEnumerator();
                Assert.True(stream.MoveNext()); // not read to its end
            }
            Assert.Equal(before, backend.Held.Count);
        }
        Assert.True(backend.Allocations > 5);
        Assert.Empty(backend.Held);
    }

    [Fact]
    public void Scoring_tagging_and_embedding_leave_nothing_behind()
    {
        using var backend = new CountingBackend();
        using (var model = ModelLoader.Load(backend, Path.Combine(Base, "..", "bert-tok")).Model)
        {
            var (before, tokenizer) = (backend.Held.Count, new ToyTokenizer(ToyTokenizer.Manner.Bert));
            using (var classifier = new Classifier(model))
                Assert.Equal(2, classifier.Tag(["one", "two"], tokenizer, maxLength: 16).Count);
            using (var embedder = new TextEmbedder(model, tokenizer))
                Assert.Equal(2,
                    embedder.Embed(["one", "two words"], cancellation: TestContext.Current.CancellationToken).Count);
            Assert.Equal(before, backend.Held.Count);
        }
        Assert.Empty(backend.Held);
    }

    [Fact]
    public void Evaluating_merging_and_mixing_leave_nothing_behind()
    {
        using var backend = new CountingBackend();
        using (var model = ModelLoader.Load(backend, Base).Model)
        {
            var before = backend.Held.Count;
            using (var adapter = new LoraConfig { Initialization = LoraInitialization.Random }.Create(model, seed: 1,
                trainable: false, "default"))
            {
                using (var evaluator = new Evaluator(model, Data(), batchSize: 2, adapter))
                    Assert.NotNull(evaluator.Run(cancellation: TestContext.Current.CancellationToken));
                using (var mixed = new Generator(model, new MixedAdapters(model, [adapter, null])))
                    Assert.Equal(2, mixed.GenerateBatch([[1, 2], [3]],
                        new GenerationOptions { MaxTokens = 2, IgnoreEndOfSequence = true }).Count);
                adapter.Merge();
                adapter.Unmerge();
            }
            Assert.Equal(before, backend.Held.Count);
        }
        Assert.Empty(backend.Held);
    }

    [Fact]
    public void A_folder_that_cannot_be_loaded_leaves_nothing_behind()
    {
        using var backend = new CountingBackend();
        using var folder = new TemporaryFolder();
        File.Copy(Path.Combine(Base, "config.json"), Path.Combine(folder.Root, "config.json"));
        var bytes = File.ReadAllBytes(Path.Combine(Base, "model.safetensors"));
        File.WriteAllBytes(Path.Combine(folder.Root, "model.safetensors"), bytes.AsSpan(0, bytes.Length / 2));
        Assert.ThrowsAny<PeftNativeException>(() => ModelLoader.Load(backend, folder.Root));
        Assert.Empty(backend.Held);
    }

    [Fact]
    public void Disposing_twice_does_no_harm()
    {
        using var backend = new CountingBackend();
        var model = ModelLoader.Load(backend, Base).Model;
        var adapter = new LoraConfig().Create(model, seed: 1, trainable: true, "default");
        var generator = new Generator(model, adapter);
        for (var i = 0; i < 2; i++)
        {
            generator.Dispose();
            adapter.Dispose();
            model.Dispose();
        }
        Assert.Empty(backend.Held);
    }

    private static AdapterConfig ConfigOf(string method) => method switch
    {
        "LORA" => new LoraConfig(),
        "DORA" => new LoraConfig { UseDora = true },
        "IA3" => new Ia3Config(),
        "PREFIX" => new PrefixTuningConfig { VirtualTokenCount = 3 },
        "PROMPT" => new PromptTuningConfig { VirtualTokenCount = 3 },
        "PTUNING" => new PTuningConfig { VirtualTokenCount = 3 },
        "BOTTLENECK" => new BottleneckConfig(),
        _ => new FullConfig(),
    };

    private static EncodedData Data() => EncodedData.Of([.. Enumerable.Range(1, 4).Select(i =>
        new Example { Ids = [i, i + 1, i + 2, 3], Labels = [i, i + 1, i + 2, 3],
            Origin = new RecordOrigin("test", i) })]);
}
