using System.Text;
using Microsoft.ML.Tokenizers;

namespace PeftNative.Tokenizers.Models;

/// <summary>
/// The longest tokens from the left; a word that cannot be covered is unknown. Microsoft.ML.Tokenizers does the work;
/// only the limit on the length of a word is ours, since the library counts UTF-16 code units where the reference
/// counts characters.
/// </summary>
internal sealed class WordPieceModel : VocabularyModel
{
    // The library puts a word on the stack and takes cubic time, so a larger limit in the file (BERT's is 100) is not
    // believed.
    private const int LongestWord = 1000;

    private readonly WordPieceTokenizer inner;
    private readonly int maxCharacters;
    private readonly int unknownId;

    /// <summary>Builds the model.</summary>
    /// <exception cref="ModelFormatException">The unknown token is not in the vocabulary.</exception>
    public WordPieceModel(Vocabulary vocabulary, string unknownToken, string prefix, int maxCharacters, string where)
        : base(vocabulary)
    {
        this.maxCharacters = Math.Min(maxCharacters, LongestWord);
        unknownId = vocabulary.IdOf(unknownToken);
        if (unknownId < 0)
        {
            throw new ModelFormatException($"The unknown token \"{unknownToken}\" is not in the vocabulary.", where);
        }
        using var lines = new MemoryStream(Encoding.UTF8.GetBytes(Lines(vocabulary)));
        inner = WordPieceTokenizer.Create(lines, new WordPieceOptions
        {
            PreTokenizer = null,
            Normalizer = null,
            UnknownToken = unknownToken,
            ContinuingSubwordPrefix = prefix,
            MaxInputCharsPerWord = 2 * LongestWord,
        });
    }

    /// <inheritdoc/>
    public override string Kind => "WordPiece";

    /// <inheritdoc/>
    public override void Tokenize(ReadOnlySpan<char> word, TokenSpans output)
    {
        if (CountCharacters(word) > maxCharacters)
        {
            output.Add(unknownId, 0, word.Length);
            return;
        }
        foreach (var token in inner.EncodeToTokens(word, out _, considerPreTokenization: false,
            considerNormalization: false))
        {
            output.Add(token.Id, token.Offset.Start.Value, token.Offset.End.Value);
        }
    }

    private static int CountCharacters(ReadOnlySpan<char> word)
    {
        var count = word.Length;
        for (var i = 1; i < word.Length; i++)
        {
            if (char.IsSurrogatePair(word[i - 1], word[i])) count--;
        }
        return count;
    }

    /// <summary>
    /// The vocabulary as the library takes it: a token a line, its id the number of the line. Gaps get a noncharacter.
    /// </summary>
    private static string Lines(Vocabulary vocabulary)
    {
        var lines = new StringBuilder();
        for (var id = 0; id <= vocabulary.MaxId; id++)
        {
            var token = vocabulary.TokenOf(id);
            var fits = token is not null && token.AsSpan().IndexOfAny('\n', '\r') < 0;
            lines.Append(fits ? token : $"\uFFFF{id}").Append('\n');
        }
        return lines.ToString();
    }
}

/// <summary>Whole words only. Ours because Microsoft.ML.Tokenizers has no such model.</summary>
internal sealed class WordLevelModel(Vocabulary vocabulary, string unknownToken) : VocabularyModel(vocabulary)
{
    /// <inheritdoc/>
    public override string Kind => "WordLevel";

    /// <inheritdoc/>
    public override void Tokenize(ReadOnlySpan<char> word, TokenSpans output)
    {
        var id = Vocabulary.IdOf(word) is var known and >= 0 ? known : Vocabulary.IdOf(unknownToken);
        if (id < 0) throw new ModelFormatException($"The unknown token \"{unknownToken}\" is not in the vocabulary.",
            "tokenizer.json");
        output.Add(id, 0, word.Length);
    }
}
