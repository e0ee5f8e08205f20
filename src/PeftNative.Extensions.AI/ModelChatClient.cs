using System.Runtime.CompilerServices;
using System.Text;
using Microsoft.Extensions.AI;
using PeftNative.Data;
using PeftNative.Inference;
using PeftNative.Models;
using PeftNative.Models.Layers;

namespace PeftNative.Extensions.AI;

/// <summary>
/// A causal language model with adapters as a chat client: messages are rendered with the model's own chat template.
/// Owns its generator, not the model, tokenizer or adapters. Thread-safe: answers to calls from several threads are
/// computed one after the other; several clients may share a model, which then computes for them in turn. After
/// <see cref="Dispose"/>, or that of the model or an adapter, a call is an
/// <see cref="ObjectDisposedException"/>, and so is the next piece of an answer under way.
/// </summary>
/// <remarks>
/// An answer ends at the end tokens of the model and the tokenizer, and where the template ends a turn. Of <see
/// cref="ChatOptions"/> it follows MaxOutputTokens, Temperature (0 or none takes the best token), TopK, TopP,
/// StopSequences and Seed. Tools, images and response formats are not there: a model folder has no such thing, and
/// asking for them is an error.
/// </remarks>
public sealed class ModelChatClient : IChatClient
{
    private readonly TextGenerator generator;
    private readonly ITokenizer tokenizer;
    private readonly IChatTemplate template;
    private readonly TurnEnd end;
    private readonly SemaphoreSlim turn = new(1); // never disposed: it holds nothing, and others may be waiting for it
    private readonly ChatClientMetadata metadata;

    /// <summary>Makes a client.</summary>
    /// <param name="model">The model; it must outlive the client.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="template">The model's chat template.</param>
    /// <param name="adapters">The adapters in force; none for the base.</param>
    /// <exception cref="UsageException">The model has no language model head.</exception>
    public ModelChatClient(TransformerModel model, ITokenizer tokenizer, IChatTemplate template,
        params IReadOnlyList<AttachmentSet> adapters)
    {
        generator = new TextGenerator(model, tokenizer, adapters);
        (this.tokenizer, this.template, end) = (tokenizer, template, TurnEnd.Of(template, tokenizer));
        metadata = new ChatClientMetadata("peftnative", defaultModelId: Path.GetFileName(model.Folder));
    }

    /// <inheritdoc/>
    /// <exception cref="UsageException">The options ask for something that is not there.</exception>
    /// <exception cref="ObjectDisposedException">The client, the model or an adapter has been disposed.</exception>
    public async Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        var text = new StringBuilder();
        UsageDetails? usage = null;
        var reason = ChatFinishReason.Stop;
        await foreach (var update in GetStreamingResponseAsync(messages, options, cancellationToken)
            .ConfigureAwait(false))
        {
            text.Append(update.Text);
            usage = update.Contents.OfType<UsageContent>().FirstOrDefault()?.Details ?? usage;
            reason = update.FinishReason ?? reason;
        }
        return new ChatResponse(new ChatMessage(ChatRole.Assistant, text.ToString()))
        {
            Usage = usage, FinishReason = reason, ModelId = metadata.DefaultModelId,
        };
    }

    /// <inheritdoc/>
    /// <exception cref="UsageException">The options ask for something that is not there.</exception>
    /// <exception cref="ObjectDisposedException">The client, the model or an adapter has been disposed.</exception>
    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, [EnumeratorCancellation]
        CancellationToken cancellationToken = default)
    {
        var asked = end.AddTo(ChatConversion.ToOptions(options));
        var prompt = tokenizer.Encode(template.Render(ChatConversion.ToJson(messages), addGenerationPrompt: true).Text,
            addSpecialTokens: false).Ids;
        await turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            using var pieces = generator.Stream(prompt, asked, cancellationToken).GetEnumerator();
            while (await Task.Run(pieces.MoveNext, cancellationToken).ConfigureAwait(false))
                yield return new ChatResponseUpdate(ChatRole.Assistant,
                    pieces.Current) { ModelId = metadata.DefaultModelId };
            yield return Last(prompt.Length, asked);
        }
        finally
        {
            turn.Release();
        }
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null) => serviceKey is not null ? null
        : serviceType == typeof(ChatClientMetadata) ? metadata : serviceType.IsInstanceOfType(this) ? this : null;

    /// <inheritdoc/>
    public void Dispose() => generator.Dispose();

    private ChatResponseUpdate Last(int promptTokens, GenerationOptions asked) =>
        new(ChatRole.Assistant, [new UsageContent(new UsageDetails
        {
            InputTokenCount = promptTokens, OutputTokenCount = generator.TokenCount,
            TotalTokenCount = promptTokens + generator.TokenCount,
        })])
        {
            FinishReason = generator.TokenCount >= asked.MaxTokens
                ? ChatFinishReason.Length : ChatFinishReason.Stop, ModelId = metadata.DefaultModelId,
        };
}
