using PeftNative.Formats;
using PeftNative.Models;
using PeftNative.Models.Loading;
using PeftNative.Models.Steps;
using PeftNative.Tensors;
using PeftNative.Tokenizers;
using PeftNative.Tokenizers.Chat;
using Xunit;

namespace PeftNative.Tests.Fuzzing;

/// <summary>Whole loads of damaged GGUF models: weights, a step, tokenizer, chat template.</summary>
public sealed class GgufFuzzTests(ITestOutputHelper output)
{
    private static readonly string[] Architectures = ["llama", "qwen2", "qwen3", "gemma2", "gemma3", "phi3", "gpt2"];

    [Theory]
    [InlineData("reference", 20261202)]
    [InlineData("cpu", 20261203)]
    public void Damaged_models_load_or_are_refused(string name, int seed)
    {
        using var fuzzer = new Fuzzer(output, seed);
        using var backend = new BoundedBackend(BackendOrSkip.Create(name), 64 << 20);
        fuzzer.Run(
            random => fuzzer.Scratch.Write("model.gguf",
                new GgufRecipe(random.Pick(Architectures), random).Damaged(random.Next(1, 4))),
            path =>
            {
                ModelLoader.Doubts(path);
                using var model = ModelLoader.Load(backend, path).Model;
                using var run = new ModelRun(model);
                run.Forward(new TokenBatch([2, 0, 1], [0, 3]));
                HostValues.Download(backend, run.Scores());
            }, 60);
    }

    [Fact]
    public void Damaged_tokenizers_and_templates_load_or_are_refused()
    {
        using var fuzzer = new Fuzzer(output, 20261204);
        fuzzer.Run(
            random => fuzzer.Scratch.Write("model.gguf",
                new GgufRecipe(random.Pick(Architectures), random).Damaged(random.Next(1, 4))),
            path =>
            {
                using (var file = TensorFiles.Open(path)) Assert.NotEmpty(file.Metadata);
                var tokenizer = HfTokenizer.Load(path);
                var ids = tokenizer.Encode("a ab<u> b\n<s>").Ids;
                Assert.All(ids.ToArray(), id => Assert.InRange(id, 0, 1 << 24));
                tokenizer.Decode(ids);
                ChatTemplate.Load(path);
            }, 40);
    }
}
