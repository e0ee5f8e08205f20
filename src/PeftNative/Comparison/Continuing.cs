using PeftNative.Data;
using PeftNative.Inference;
using PeftNative.Models;

namespace PeftNative.Comparison;

/// <summary>Lets a language model continue prompts, greedily, so that the result is the same every time.</summary>
/// <param name="tokenizer">The model's tokenizer.</param>
/// <param name="records">Prompts with the wanted completions.</param>
public sealed class Continuing(ITokenizer tokenizer, IReadOnlyList<PromptRecord> records)
{
    // A model that does not end where it should has this many tokens to go wrong.
    private const int Beyond = 8;

    /// <summary>The continuations; white space at the ends does not count.</summary>
    public IReadOnlyList<Continuation> Run(
        TransformerModel model, IReadOnlyList<AttachmentSet> adapters, CancellationToken cancellation = default)
    {
        if (records.Count == 0) return [];
        using var generator = new Generator(model, adapters);
        return [.. records.Select(record =>
        {
            var prompt = tokenizer.Encode(record.Prompt).Ids.AsSpan();
            if (tokenizer.EndOfSequenceId is { } end && prompt.Length > 1 && prompt[^1] == end) prompt = prompt[..^1];
            var wanted = tokenizer.Encode(record.Completion!, addSpecialTokens: false).Ids.Length;
            var tokens = generator.Generate(prompt, new GenerationOptions { MaxTokens = wanted + Beyond }, cancellation);
            return new Continuation(record.Prompt, record.Completion!.Trim(), tokenizer.Decode([.. tokens]).Trim());
        })];
    }

    /// <summary>The share of continuations that are exactly what was wanted.</summary>
    public static double ExactShare(IReadOnlyList<Continuation> continuations) =>
        (double)continuations.Count(c => c.IsExact) / continuations.Count;
}
