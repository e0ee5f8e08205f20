using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using PeftNative.Backends.Reference;
using PeftNative.Data;
using PeftNative.Extensions.AI;
using PeftNative.Inference;
using PeftNative.Models;
using PeftNative.Models.Loading;
using PeftNative.Tensors;
using PeftNative.Tokenizers;
using Xunit;

namespace PeftNative.Extensions.Tests;

public sealed class ChatClientTests : IDisposable
{
    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "demo-base");

    private readonly ReferenceBackend backend = ReferenceBackend.Create(DType.Float32);
    private readonly TransformerModel model;
    private readonly HfTokenizer tokenizer = HfTokenizer.Load(Folder);
    private readonly ModelChatClient client;

    public ChatClientTests()
    {
        model = ModelLoader.Load(backend, Folder).Model;
        client = new ModelChatClient(model, tokenizer, new PlainTemplate());
    }

    public void Dispose()
    {
        client.Dispose();
        model.Dispose();
        backend.Dispose();
    }

    [Fact]
    public async Task An_answer_is_what_the_generator_says_to_the_rendered_messages()
    {
        ChatMessage[] messages = [new(ChatRole.System, "Be brief."), new(ChatRole.User, "Who is there?")];
        var response = await client.GetResponseAsync(messages, new ChatOptions { MaxOutputTokens = 6 },
            TestContext.Current.CancellationToken);

        using var generator = new TextGenerator(model, tokenizer);
        var prompt = tokenizer.Encode("system: Be brief.\nuser: Who is there?\nassistant:",
            addSpecialTokens: false).Ids;
        var expected = string.Concat(generator.Stream(prompt, new GenerationOptions { MaxTokens = 6 },
            TestContext.Current.CancellationToken));
        Assert.Equal(expected, response.Text);
        Assert.NotEmpty(expected);
        Assert.Equal(prompt.Length, response.Usage!.InputTokenCount);
        Assert.Equal(generator.TokenCount, response.Usage.OutputTokenCount);
        Assert.Equal(generator.TokenCount == 6 ? ChatFinishReason.Length
            : ChatFinishReason.Stop, response.FinishReason);
    }

    [Fact]
    public async Task Calls_from_several_threads_get_the_same_answer_as_alone()
    {
        var options = new ChatOptions { MaxOutputTokens = 4 };
        var token = TestContext.Current.CancellationToken;
        var alone = await client.GetResponseAsync("Hello", options, token);
        var together = await Task.WhenAll(Enumerable.Range(0, 4)
            .Select(_ => Task.Run(() => client.GetResponseAsync("Hello", options, token), token)));
        Assert.All(together, r => Assert.Equal(alone.Text, r.Text));
    }

    [Fact]
    public async Task Several_clients_of_one_model_answer_as_one_would()
    {
        var token = TestContext.Current.CancellationToken;
        using var other = new ModelChatClient(model, tokenizer, new PlainTemplate());
        async Task<string> Ask(ModelChatClient asked, int i) =>
            (await asked.GetResponseAsync($"Hello {i}", new ChatOptions { MaxOutputTokens = 4 }, token)).Text;
        var alone = new List<string>();
        for (var i = 0; i < 6; i++) alone.Add(await Ask(client, i));
        var together = await Task.WhenAll(Enumerable.Range(0, 6)
            .Select(i => Task.Run(() => Ask(i % 2 == 0 ? client : other, i), token)));
        Assert.Equal(alone, together);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_client_or_model_that_is_disposed_during_an_answer_ends_it_with_an_error(bool all)
    {
        var token = TestContext.Current.CancellationToken;
        var options = new ChatOptions { MaxOutputTokens = 1000 };
        await using var answer = client.GetStreamingResponseAsync("Hello", options, token).GetAsyncEnumerator(token);
        Assert.True(await answer.MoveNextAsync());
        var waiting = client.GetResponseAsync("Hello", options, token);
        if (all) model.Dispose();
        else client.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(async () =>
        {
            while (await answer.MoveNextAsync())
            {
            }
        });
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => client.GetResponseAsync("Hello", options, token));
    }

    [Fact]
    public async Task What_is_not_there_is_refused_and_the_client_goes_on()
    {
        var token = TestContext.Current.CancellationToken;
        await Assert.ThrowsAsync<UsageException>(() => client.GetResponseAsync("Hello",
            new ChatOptions { ResponseFormat = ChatResponseFormat.Json }, token));
        await Assert.ThrowsAsync<UsageException>(
            () => client.GetResponseAsync([new(ChatRole.User, [new UriContent("http://localhost/a.png", "image/png")])],
                null, token));
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => client.GetResponseAsync("Hello", null, cancelled.Token));
        Assert.NotNull((await client.GetResponseAsync("Hello", new ChatOptions { MaxOutputTokens = 1 }, token)).Text);
    }

    [Fact]
    public void It_tells_what_it_is()
    {
        Assert.Equal("demo-base", client.GetService<ChatClientMetadata>()!.DefaultModelId);
        Assert.Same(client, client.GetService<ModelChatClient>());
        Assert.Null(client.GetService<HttpClient>());
    }

    private sealed class PlainTemplate : IChatTemplate
    {
        public RenderedChat Render(JsonArray messages, bool addGenerationPrompt = false,
            JsonObject? arguments = null) =>
            new(string.Concat(messages.Select(m => $"{m!["role"]}: {m["content"]}\n"))
                + (addGenerationPrompt ? "assistant:" : ""), []);
    }
}
