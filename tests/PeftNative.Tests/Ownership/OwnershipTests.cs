using PeftNative.Data;
using PeftNative.Inference;
using PeftNative.Models.Loading;
using PeftNative.Peft;
using PeftNative.Peft.Bottleneck;
using PeftNative.Peft.Ia3;
using PeftNative.Peft.Lora;
using PeftNative.Peft.PrefixTuning;
using PeftNative.Peft.PromptTuning;
using PeftNative.Peft.PTuning;
using PeftNative.Training;
using PeftNative.Tests.Data;
using Xunit;

namespace PeftNative.Tests.Ownership;

/// <summary>Whoever takes memory from a backend gives it back when disposed: a backend counts.</summary>
public class OwnershipTests
{
    private static readonly string Base = Path.Combine(AppContext.BaseDirectory, "golden", "bases", "llama-causal");

    public static TheoryData<string> Methods => ["LORA", "DORA", "IA3", "PREFIX", "PROMPT", "PTUNING", "BOTTLENECK", "FULL"];

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
                using (var trainer = new Trainer(model, adapter, Data(), eval: Data(), new TrainerOptions { MaxSteps = 2, BatchSize = 2, PrepareWeights = false })) trainer.Run();
                using var generator = new Generator(model, adapter);
                Assert.NotEmpty(generator.Generate([1, 2, 3], new GenerationOptions { MaxTokens = 3, IgnoreEndOfSequence = true }));
                using var stream = generator.Stream([1, 2], new GenerationOptions { MaxTokens = 5, IgnoreEndOfSequence = true }).GetEnumerator();
                Assert.True(stream.MoveNext()); // not read to its end
            }
            Assert.Equal(before, backend.Held.Count);
            model.PrepareWeights();
            Assert.True(backend.Held.Count > before);
        }
        Assert.True(backend.Allocations > 5);
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
        new Example { Ids = [i, i + 1, i + 2, 3], Labels = [i, i + 1, i + 2, 3], Origin = new RecordOrigin("test", i) })]);
}
