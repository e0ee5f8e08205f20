namespace PeftNative.Tokenizers.Models;

/// <summary>Tokens and their ids.</summary>
internal sealed class Vocabulary
{
    private readonly Dictionary<string, int> ids;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> lookup;
    private readonly Dictionary<int, string> tokens = [];

    /// <summary>Takes over a map of tokens to ids; where two tokens share an id, the later one is its text.</summary>
    public Vocabulary(Dictionary<string, int> ids)
    {
        this.ids = ids;
        lookup = ids.GetAlternateLookup<ReadOnlySpan<char>>();
        foreach (var (token, id) in ids)
        {
            tokens[id] = token;
            MaxLength = Math.Max(MaxLength, token.Length);
            MaxId = Math.Max(MaxId, id);
        }
    }

    /// <summary>The number of tokens.</summary>
    public int Count => ids.Count;

    /// <summary>The largest id, or -1.</summary>
    public int MaxId { get; } = -1;

    /// <summary>The length of the longest token in UTF-16 code units.</summary>
    public int MaxLength { get; }

    /// <summary>All tokens.</summary>
    public IEnumerable<KeyValuePair<string, int>> Items => ids;

    /// <summary>The id of a token, or -1.</summary>
    public int IdOf(ReadOnlySpan<char> token) => lookup.TryGetValue(token, out var id) ? id : -1;

    /// <summary>The token of an id, or null.</summary>
    public string? TokenOf(int id) => tokens.GetValueOrDefault(id);
}
