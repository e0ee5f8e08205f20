using PeftNative.Data.Records;

namespace PeftNative.Data.Encoding;

/// <summary>Plain texts and prompts with completions for causal language modelling.</summary>
internal sealed class CausalEncoder(ITokenizer tokenizer, EncodingOptions options)
{
    private int? End => options.AppendEndOfSequence ? tokenizer.EndOfSequenceId : null;

    /// <summary>
    /// A text, every token trained, cut into blocks of the maximum length; nothing is lost but a last block of one
    /// token.
    /// </summary>
    public IEnumerable<Example> Blocks(TextRecord record)
    {
        if (record.Text.Length == 0) yield break;
        var row = TokenRow.Of(tokenizer, record.Text);
        if (options.ForPrediction)
        {
            yield return row.Cut(options.MaxLength)
                .ToExample(record.Origin, row.Length > options.MaxLength, withLabels: false);
            yield break;
        }
        row.EndWith(End);
        for (var start = 0; start < row.Length && (start == 0 || start + 1 < row.Length); start += options.MaxLength)
            yield return row.Slice(start, Math.Min(options.MaxLength, row.Length - start))
                .ToExample(record.Origin, truncated: false);
    }

    /// <summary>How many blocks <see cref="Blocks"/> gives, without making them; null where something is to be said of
    /// them.</summary>
    public int? CountBlocks(TextRecord record)
    {
        if (options.ForPrediction || record.Text.Length == 0) return null;
        var ids = tokenizer.Encode(record.Text).Ids;
        if (ids.Length < 2) return null;
        var length = ids.Length + (End is { } end && ids[^1] != end ? 1 : 0);
        return length / options.MaxLength + (length % options.MaxLength >= 2 ? 1 : 0);
    }

    /// <summary>A prompt and what follows; cut off on the right where it is too long.</summary>
    public Example Encode(PromptRecord record)
    {
        if (record.System is { } system)
            record = record with { Prompt = $"{system}\n\n{record.Prompt}", System = null };
        var promptTokens = tokenizer.Encode(record.Prompt);
        var prompt = new TokenRow().Append(promptTokens, _ => !options.MaskPrompt).WithoutEnd(tokenizer, promptTokens);
        if (options.ForPrediction || record.Completion is null)
            return prompt.Cut(options.MaxLength)
                .ToExample(record.Origin, prompt.Length > options.MaxLength, withLabels: false);
        var row = Join(prompt, record.Prompt, record.Completion).EndWith(End);
        return row.Cut(options.MaxLength).ToExample(record.Origin, row.Length > options.MaxLength);
    }

    /// <summary>
    /// Encodes both together where the prompt's own tokens come first in that (so a word may begin as the tokenizer
    /// wants it); where the seam would change the prompt's last token, each on its own, because the prompt is what the
    /// model will see alone.
    /// </summary>
    private TokenRow Join(TokenRow prompt, string promptText, string completion)
    {
        var together = tokenizer.Encode(promptText + completion);
        if (together.Ids.AsSpan().StartsWith([.. prompt.Ids]))
            return new TokenRow()
                .Append(together, i => !options.MaskPrompt || i >= prompt.Length).WithoutEnd(tokenizer, together);
        return prompt.Append(tokenizer.Encode(completion, addSpecialTokens: false), _ => true);
    }
}
