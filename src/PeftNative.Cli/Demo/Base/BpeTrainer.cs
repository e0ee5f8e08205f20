using System.Text;
using System.Text.RegularExpressions;

namespace PeftNative.Cli.Demo.Base;

/// <summary>
/// Learns byte-level byte-pair encoding from texts (Sennrich et al. 2016, arXiv:1508.07909): the two neighbouring
/// pieces seen most often become one, again and again. Of equally frequent pairs the first in the order of their
/// characters is taken, so the result depends on the texts alone.
/// </summary>
internal static partial class BpeTrainer
{
    /// <summary>The pieces, first the 256 bytes, and the merges that made them.</summary>
    /// <param name="Pieces">In the order of their ids.</param>
    /// <param name="Merges">In the order in which they were learned.</param>
    internal sealed record Result(IReadOnlyList<string> Pieces, IReadOnlyList<(string Left, string Right)> Merges);

    private sealed record Word(List<string> Pieces, int Count);

    /// <summary>Learns until there are so many pieces, or no pair occurs twice.</summary>
    public static Result Train(IEnumerable<string> texts, int pieces)
    {
        var words = Words(texts);
        var vocabulary = new List<string>(ByteCharacters().Select(c => c.ToString()));
        var merges = new List<(string, string)>();
        while (vocabulary.Count < pieces && Best(words) is { } pair)
        {
            merges.Add(pair);
            vocabulary.Add(pair.Left + pair.Right);
            foreach (var word in words) Merge(word.Pieces, pair);
        }
        return new Result(vocabulary, merges);
    }

    /// <summary>
    /// The characters GPT-2 writes the 256 bytes with: printable Latin-1 as itself, the others from U+0100 on.
    /// </summary>
    private static char[] ByteCharacters()
    {
        var next = (char)256;
        return [.. Enumerable.Range(0, 256)
            .Select(b => b is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or >= 0xAE ? (char)b : next++)];
    }

    private static List<Word> Words(IEnumerable<string> texts)
    {
        var counts = new SortedDictionary<string, int>(StringComparer.Ordinal);
        // A space stands in front of every text, so that a word is the same at the beginning and later on.
        foreach (var text in texts.Select(t => " " + t))
        foreach (var match in Split().EnumerateMatches(text))
        {
            var word = text.Substring(match.Index, match.Length);
            counts[word] = counts.GetValueOrDefault(word) + 1;
        }
        var characters = ByteCharacters();
        List<string> Bytes(string word) => [.. Encoding.UTF8.GetBytes(word).Select(b => characters[b].ToString())];
        return [.. counts.Select(c => new Word(Bytes(c.Key), c.Value))];
    }

    private static (string Left, string Right)? Best(List<Word> words)
    {
        var counts = new Dictionary<(string Left, string Right), int>();
        foreach (var (pieces, count) in words)
            for (var i = 1; i < pieces.Count; i++)
                counts[(pieces[i - 1], pieces[i])] = counts.GetValueOrDefault((pieces[i - 1], pieces[i])) + count;
        var often = counts.Where(c => c.Value > 1).OrderByDescending(c => c.Value)
            .ThenBy(c => c.Key.Left, StringComparer.Ordinal).ThenBy(c => c.Key.Right, StringComparer.Ordinal);
        foreach (var (pair, _) in often) return pair;
        return null;
    }

    private static void Merge(List<string> pieces, (string Left, string Right) pair)
    {
        for (var i = 1; i < pieces.Count; i++)
        {
            if (pieces[i - 1] != pair.Left || pieces[i] != pair.Right) continue;
            pieces[i - 1] += pieces[i];
            pieces.RemoveAt(i);
        }
    }

    // How GPT-2 cuts text into words before it merges: contractions; letters, digits or signs with a space before them.
    [GeneratedRegex(@"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")]
    private static partial Regex Split();
}
