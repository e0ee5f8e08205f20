using PeftNative.Backends;
using PeftNative.Inference;
using PeftNative.Models;
using PeftNative.Models.Steps;
using PeftNative.Ops;
using PeftNative.Tensors;
using PeftNative.Tests.Data;
using PeftNative.Tests.Models;
using PeftNative.Tests.Peft;
using Xunit;

namespace PeftNative.Tests.Inference;

public sealed class GeneratorTests : IDisposable
{
    private static readonly GenerationOptions Eight = new() { MaxTokens = 8, IgnoreEndOfSequence = true };
    private static readonly int[][] Prompts = [[1, 5, 9, 3], [2], [16, 0, 4, 4, 8, 12], [7, 11]];

    private readonly IBackend backend = BackendFactory.Create("reference");

    public void Dispose() => backend.Dispose();

    [Theory]
    [InlineData("gpt2", ModelTask.CausalLM)]
    [InlineData("llama", ModelTask.CausalLM)]
    [InlineData("t5", ModelTask.SequenceToSequence)]
    public void Sequences_of_a_batch_go_on_as_they_do_alone(string family, ModelTask task)
    {
        using var model = TinyModels.Create(backend, family, task);
        using var generator = new Generator(model);
        var together = generator.GenerateBatch(Prompts, Eight);
        Assert.Equal([8, 8, 8, 8], together.Select(t => t.Count));
        for (var s = 0; s < Prompts.Length; s++) Assert.Equal(generator.Generate(Prompts[s], Eight), together[s]);
    }

    [Theory]
    [InlineData("llama", ModelTask.CausalLM, "prefix")]
    [InlineData("llama", ModelTask.CausalLM, "prompt")]
    [InlineData("llama", ModelTask.CausalLM, "lora")]
    [InlineData("t5", ModelTask.SequenceToSequence, "prefix")]
    [InlineData("t5", ModelTask.SequenceToSequence, "prompt")]
    [InlineData("t5", ModelTask.SequenceToSequence, "lora")]
    public void They_do_so_with_an_adapter_too(string family, ModelTask task, string method)
    {
        using var setting = new Setting(family, task, method);
        setting.Disturb();
        using var generator = new Generator(setting.Model, setting.Adapter);
        var together = generator.GenerateBatch(Prompts, Eight);
        for (var s = 0; s < Prompts.Length; s++) Assert.Equal(generator.Generate(Prompts[s], Eight), together[s]);
    }

    [Fact]
    public void A_decoder_with_a_cache_writes_what_it_scores_best_without_one()
    {
        using var model = TinyModels.Create(backend, "t5", ModelTask.SequenceToSequence);
        using var generator = new Generator(model);
        using var run = new ModelRun(model);
        var given = new List<int> { model.Config.DecoderStartTokenId };
        foreach (var token in generator.Stream(Prompts[0], Eight))
        {
            run.Forward(new TokenBatch([.. given],
                [0, given.Count]) { Source = new TokenBatch(Prompts[0], [0, Prompts[0].Length]) });
            var scores = HostValues.Download(backend, run.Scores([given.Count - 1]));
            Assert.Equal(Classifier.Best(scores), token);
            given.Add(token);
        }
        Assert.Equal(9, given.Count);
    }

    [Fact]
    public void A_cache_changes_nothing_but_the_time()
    {
        using var model = TinyModels.Create(backend, "llama", ModelTask.CausalLM);
        using var generator = new Generator(model);
        using var afresh = new Generator(model);
        var text = Prompts[0].ToList();
        foreach (var token in generator.Stream(Prompts[0], Eight))
        {
            Assert.Throws<InvalidOperationException>(() => generator.Generate([1], Eight)); // busy
            Assert.Equal(afresh.Generate([.. text], Eight with { MaxTokens = 1 }).Single(), token);
            text.Add(token);
        }
        Assert.Equal(Prompts[0].Length + 8, text.Count);
    }

    [Fact]
    public void A_sequence_that_meets_its_end_stops_and_the_others_go_on()
    {
        using var model = TinyModels.Create(backend, "gpt2", ModelTask.CausalLM);
        using var free = new Generator(model);
        var all = free.GenerateBatch(Prompts, Eight);
        var end = all[1][2]; // an end token that the second sequence meets at the latest after two tokens
        using var ending = TinyModels.Create(backend, "gpt2", ModelTask.CausalLM, end: end);
        using var generator = new Generator(ending);
        var stopped = generator.GenerateBatch(Prompts, Eight with { IgnoreEndOfSequence = false });
        for (var s = 0; s < Prompts.Length; s++) Assert.Equal(all[s].TakeWhile(t => t != end), stopped[s]);
        Assert.True(stopped[1].Count <= 2);
    }

    [Fact]
    public void Generation_ends_where_the_model_has_no_more_positions()
    {
        using var model = TinyModels.Create(backend, "gpt2", ModelTask.CausalLM); // 20 positions
        using var generator = new Generator(model);
        var options = Eight with { MaxTokens = 50 };
        Assert.Equal([20 - 4 + 1, 20 - 1 + 1],
            generator.GenerateBatch([Prompts[0], Prompts[1]], options).Select(t => t.Count));
        Assert.Throws<DataException>(() => generator.Generate(new int[21], options));
    }

    [Fact]
    public void Wrong_prompts_and_a_wish_to_stop_are_answered()
    {
        using var model = TinyModels.Create(backend, "gpt2", ModelTask.CausalLM);
        using var generator = new Generator(model);
        Assert.Throws<DataException>(() => generator.Generate([], Eight));
        Assert.Throws<UsageException>(() => generator.Generate([1], Eight with { TopP = 3 }));
        Assert.Empty(generator.GenerateBatch([], Eight));
        Assert.Throws<OperationCanceledException>(
            () => generator.Generate([1], Eight, new CancellationToken(canceled: true)));
        using var classifier = TinyModels.Create(backend, "gpt2", ModelTask.SequenceClassification);
        Assert.Throws<UsageException>(() => new Generator(classifier));
    }

    [Fact]
    public void A_text_ends_at_the_end_token_of_the_tokenizer_too()
    {
        var words = new ToyTokenizer(ends: false);
        words.Encode("a b c d e f g h i j k l m n o p q"); // 17 tokens, as many as the model has
        using var model = TinyModels.Create(backend, "llama", ModelTask.CausalLM, end: 3);
        using var generator = new Generator(model);
        var free = generator.Generate(Prompts[0], Eight);
        Assert.DoesNotContain(3, free); // the model's own end is another
        var end = free.First(t => t != free[0]);
        var expected = free.TakeWhile(t => t != end).ToArray();
        Assert.Equal(expected, generator.Generate(Prompts[0], Eight with { StopTokens = [end] }));

        using var texts = new TextGenerator(model, new EndingTokenizer(words, end));
        var stopping = Eight with { IgnoreEndOfSequence = false };
        Assert.Equal(words.Decode(expected), string.Concat(texts.Stream(Prompts[0], stopping)));
        Assert.Equal([words.Decode(expected)], texts.GenerateBatch([Prompts[0]], stopping));
        Assert.Equal(words.Decode([.. free]), string.Concat(texts.Stream(Prompts[0], Eight)));
    }

    [Fact]
    public async Task Text_comes_in_pieces_at_once_or_later_and_in_batches()
    {
        var tokenizer = new ToyTokenizer(ends: false);
        var prompt = "a b c d e f g h i j k l m n o p q"; // 17 tokens, as many as the model has
        tokenizer.Encode(prompt);
        using var model = TinyModels.Create(backend, "llama", ModelTask.CausalLM);
        using var generator = new TextGenerator(model, tokenizer);
        var text = generator.Generate(" c d", Eight);
        Assert.Equal(8, generator.TokenCount);
        Assert.Equal(text, string.Concat(generator.Stream(" c d", Eight)));
        Assert.Equal([text, generator.Generate("a", Eight)], generator.GenerateBatch([" c d", "a"], Eight));
        var later = new List<string>();
        await foreach (var piece in generator.StreamAsync(" c d", Eight, TestContext.Current.CancellationToken))
            later.Add(piece);
        Assert.Equal(generator.Stream(" c d", Eight), later);

        var stop = text[4..6];
        var cut = text[..text.IndexOf(stop, StringComparison.Ordinal)];
        Assert.Equal(cut, generator.Generate(" c d", Eight with { Stop = ["zzz", stop] }));
        Assert.Equal([cut], generator.GenerateBatch([" c d"], Eight with { Stop = [stop] }));
    }
}
