using PeftNative.Backends;
using PeftNative.Cli.Demo.Base;
using PeftNative.Cli.Demo.Text;
using PeftNative.Cli.Output;
using PeftNative.Formats.Safetensors;
using PeftNative.Inference;
using PeftNative.Models.Loading;
using PeftNative.Tokenizers;
using PeftNative.Training.Loop;
using Xunit;

namespace PeftNative.Cli.Tests.Demo;

/// <summary>The base that ships with the program, and how it is made.</summary>
public sealed class BaseTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void The_most_frequent_pair_is_merged_first_and_ties_go_by_spelling()
    {
        var result = BpeTrainer.Train(["aab aab ab", "cd cd"], 300);
        // First b follows a three times; then a-ab and c-d occur twice each, and then the spaces before them.
        Assert.Equal([("a", "b"), ("a", "ab"), ("c", "d"), ("Ġ", "aab"), ("Ġ", "cd")], result.Merges);
        Assert.Equal(["ab", "aab", "cd", "Ġaab", "Ġcd"], result.Pieces.Skip(256));
    }

    [Fact]
    public void The_tokenizer_gives_back_every_text()
    {
        var tokenizer = HfTokenizer.Load(BaseFiles.Bundled);
        Assert.InRange(tokenizer.VocabularySize, 300, BaseFiles.VocabularySize);
        // A text begins with a space, so that its first word is the token it is elsewhere.
        foreach (var text in Corpus.HeldOut(300, 1).Append("Zoë's naïve café: 12 €!\n"))
            Assert.Equal(" " + text, tokenizer.Decode(tokenizer.Encode(text).Ids));
    }

    [Fact]
    public void Every_word_of_the_little_world_is_one_token()
    {
        var tokenizer = HfTokenizer.Load(BaseFiles.Bundled);
        string[] words =
        [
            .. Words.People.Select(p => p.Name), .. Words.Things.SelectMany(t => (string[])[t.One, t.Many]),
            .. Words.Colours,
            .. Words.Places, .. Words.Numbers, "place", "items", "Record",
        ];
        Assert.All(words, w => Assert.Single(tokenizer.Encode(w, addSpecialTokens: false).Ids));
    }

    [Fact]
    public void The_documented_command_makes_the_same_tokenizer_and_configuration_again()
    {
        BaseFiles.WriteBeginnings(folder.Root, seed: 42, Pretraining.DefaultTexts);
        foreach (var name in (string[])["config.json", "tokenizer.json", "tokenizer_config.json"])
            Assert.Equal(File.ReadAllText(Path.Combine(BaseFiles.Bundled, name)), File.ReadAllText(folder[name]));
    }

    [Fact]
    public void Making_a_base_twice_gives_the_same_bytes()
    {
        byte[] Make(string name)
        {
            using var backend = BackendFactory.Create();
            using var interruption = new Interruption();
            var terminal = new Terminal(TextWriter.Null, TextWriter.Null, TextReader.Null, interruption);
            Pretraining.Run(folder[name], seed: 5, texts: 40, steps: 2, backend, terminal);
            return File.ReadAllBytes(Path.Combine(folder[name], "model.safetensors"));
        }
        Assert.Equal(Make("one"), Make("two"));
    }

    [Fact]
    public void The_bundled_base_is_small_stored_in_bf16_and_knows_its_world()
    {
        var weights = Path.Combine(BaseFiles.Bundled, "model.safetensors");
        Assert.InRange(new FileInfo(weights).Length, 1, 8 << 20);
        using (var file = SafetensorsFile.Open(weights))
            Assert.All(file.Tensors, t => Assert.Equal(StoredType.BF16, t.Type));

        using var backend = BackendFactory.Create();
        var (model, report) = ModelLoader.Load(backend, BaseFiles.Bundled);
        using var owner = model;
        Assert.Empty(report.Created);
        Assert.Empty(report.Unused);
        var texts = Pretraining.Encode(HfTokenizer.Load(BaseFiles.Bundled), Corpus.HeldOut(8, 42));
        using var evaluator = new Evaluator(model, texts, 8);
        Assert.InRange(evaluator.Run(cancellation: TestContext.Current.CancellationToken)!["perplexity"], 1, 3);
    }

    [Fact]
    public void The_bundled_base_repeats_what_was_said()
    {
        using var backend = BackendFactory.Create();
        using var model = ModelLoader.Load(backend, BaseFiles.Bundled).Model;
        using var generator = new TextGenerator(model, HfTokenizer.Load(BaseFiles.Bundled));
        var row = "ten cellar Olga green leaves box two Sam.";
        Assert.StartsWith(" " + row, generator.Generate($"Ben says: {row} Mia says:",
            new GenerationOptions { MaxTokens = 12 }), StringComparison.Ordinal);
    }
}
