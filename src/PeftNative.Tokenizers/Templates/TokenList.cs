namespace PeftNative.Tokenizers.Templates;

/// <summary>The tokens of one text. Reused from text to text.</summary>
internal sealed class TokenList
{
    private int[] ids = new int[256], starts = new int[256], ends = new int[256], spaces = new int[256];

    /// <summary>The text the tokens are of.</summary>
    public string Text { get; private set; } = "";

    /// <summary>The number of tokens.</summary>
    public int Count { get; private set; }

    /// <summary>Token ids.</summary>
    public ReadOnlySpan<int> Ids => ids.AsSpan(0, Count);

    /// <summary>First code units.</summary>
    public ReadOnlySpan<int> Starts => starts.AsSpan(0, Count);

    /// <summary>Ends, exclusive.</summary>
    public ReadOnlySpan<int> Ends => ends.AsSpan(0, Count);

    /// <summary>White space of added tokens; see <see cref="SpaceTrim"/>.</summary>
    public ReadOnlySpan<int> Spaces => spaces.AsSpan(0, Count);

    /// <summary>Forgets the tokens and begins a text.</summary>
    public void Begin(string text)
    {
        Text = text;
        Count = 0;
    }

    /// <summary>Adds a token.</summary>
    public void Add(int id, int start, int end, int space)
    {
        if (Count == ids.Length)
        {
            Array.Resize(ref ids, Count * 2);
            Array.Resize(ref starts, Count * 2);
            Array.Resize(ref ends, Count * 2);
            Array.Resize(ref spaces, Count * 2);
        }
        (ids[Count], starts[Count], ends[Count], spaces[Count]) = (id, start, end, space);
        Count++;
    }
}
