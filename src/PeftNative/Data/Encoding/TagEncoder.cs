using PeftNative.Data.Records;

namespace PeftNative.Data.Encoding;

/// <summary>
/// Words with tags for token classification: the words are joined with spaces and encoded as one text; the first token
/// of each word gets its tag, all other positions are masked.
/// </summary>
internal sealed class TagEncoder(ITokenizer tokenizer, EncodingOptions options)
{
    public Example Encode(TaggedRecord record)
    {
        var text = string.Join(' ', record.Tokens);
        var tokens = tokenizer.Encode(text, null, addSpecialTokens: true, options.MaxLength);
        var firstTokens = FirstTokens(record.Tokens, tokens);
        var labels = new int[tokens.Ids.Length];
        Array.Fill(labels, Example.Masked);
        if (!options.ForPrediction) SetTags(record, firstTokens, labels);
        return new Example
        {
            Ids = tokens.Ids,
            TokenTypes = tokens.TokenTypes,
            Labels = options.ForPrediction ? null : labels,
            Origin = record.Origin,
            Truncated = tokens.Truncated,
            LostTags = firstTokens.Count(at => at < 0),
        };
    }

    /// <summary>The index of the first token of each word; -1 where it has none.</summary>
    internal static int[] FirstTokens(IReadOnlyList<string> words, TokenSequence tokens)
    {
        var firstTokens = new int[words.Count];
        Array.Fill(firstTokens, -1);
        var (word, wordStart) = (0, 0);
        for (var i = 0; i < tokens.Ids.Length; i++)
        {
            if (tokens.Sources[i] < 0) continue;
            // Move on while the token begins behind the current word. A token that begins with the space before a word
            // belongs to that word.
            while (word < words.Count && tokens.Starts[i] >= wordStart + words[word].Length)
            {
                wordStart += words[word].Length + 1;
                word++;
                if (tokens.Starts[i] < wordStart) break;
            }
            if (word == words.Count) break;
            if (firstTokens[word] < 0) firstTokens[word] = i;
        }
        return firstTokens;
    }

    private void SetTags(TaggedRecord record, int[] firstTokens, int[] labels)
    {
        var tags = record.Tags ?? throw new DataException(
            "The record has no tags.", record.Origin.ToString(), "Training needs them in every record.");
        for (var word = 0; word < firstTokens.Length; word++)
        {
            var tag = options.Labels!.IndexOf(tags[word], record.Origin);
            if (firstTokens[word] >= 0) labels[firstTokens[word]] = tag;
        }
    }
}
