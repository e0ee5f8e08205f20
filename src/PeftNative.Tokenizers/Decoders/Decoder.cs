using System.Globalization;
using System.Text;
using PeftNative.Tokenizers.Patterns;
using PeftNative.Tokenizers.Text;

namespace PeftNative.Tokenizers.Decoders;

/// <summary>One step from tokens back to text.</summary>
internal abstract class Decoder
{
    /// <summary>Changes the list of tokens.</summary>
    /// <param name="tokens">The tokens.</param>
    /// <param name="atStart">Whether they begin the text; false when a stream goes on after a point.</param>
    public abstract void Apply(List<string> tokens, bool atStart);

    /// <summary>Whether the tokens after a point, where the text was whole, can be decoded on their own.</summary>
    public virtual bool CanResume => true;
}

/// <summary>The whole way from tokens to text.</summary>
internal sealed class TokenDecoder
{
    private readonly IReadOnlyList<Decoder> steps;
    private readonly string separator;

    /// <summary>Takes the steps; null, as opposed to none, means the tokens are joined by spaces.</summary>
    public TokenDecoder(IReadOnlyList<Decoder>? steps)
    {
        this.steps = steps ?? [];
        separator = steps is null ? " " : "";
        CanResume = steps is not null && this.steps.All(s => s.CanResume) && FuseComesLast(this.steps);
    }

    /// <summary>Whether the tokens after a point, where the text was whole, can be decoded on their own.</summary>
    public bool CanResume { get; }

    /// <summary>Decodes tokens.</summary>
    public string Decode(List<string> tokens, bool atStart)
    {
        foreach (var step in steps) step.Apply(tokens, atStart);
        return string.Join(separator, tokens);
    }

    // After tokens have been fused only a step that looks at the beginning alone sees the same in a part as in the
    // whole.
    private static bool FuseComesLast(IReadOnlyList<Decoder> steps)
    {
        var fused = steps.ToList().FindIndex(s => s is FuseDecoder or ByteLevelDecoder);
        return fused < 0 || steps.Skip(fused + 1).All(s => s is StripDecoder { OnlyStart: true });
    }
}

/// <summary>Bytes written as printable characters become text; what is not UTF-8 becomes U+FFFD.</summary>
internal sealed class ByteLevelDecoder : Decoder
{
    /// <inheritdoc/>
    public override void Apply(List<string> tokens, bool atStart)
    {
        var bytes = new List<byte>();
        foreach (var token in tokens)
        {
            if (token.All(c => ByteAlphabet.ByteOf(c) >= 0))
                bytes.AddRange(token.Select(c => (byte)ByteAlphabet.ByteOf(c)));
            else bytes.AddRange(Encoding.UTF8.GetBytes(token));
        }
        tokens.Clear();
        tokens.Add(Encoding.UTF8.GetString([.. bytes]));
    }
}

/// <summary>Runs of tokens such as &lt;0xE4&gt; become text, or one U+FFFD for each where they are not UTF-8.</summary>
internal sealed class ByteFallbackDecoder : Decoder
{
    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    /// <inheritdoc/>
    public override void Apply(List<string> tokens, bool atStart)
    {
        var result = new List<string>();
        var run = new List<byte>();
        foreach (var token in tokens)
        {
            if (TryByte(token, out var value))
            {
                run.Add(value);
                continue;
            }
            Flush(run, result);
            result.Add(token);
        }
        Flush(run, result);
        tokens.Clear();
        tokens.AddRange(result);
    }

    private static bool TryByte(string token, out byte value)
    {
        value = 0;
        return token.Length == 6 && token.StartsWith("<0x", StringComparison.Ordinal) && token[5] == '>'
            && byte.TryParse(token.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture,
                out value);
    }

    private static void Flush(List<byte> run, List<string> result)
    {
        if (run.Count == 0) return;
        try
        {
            result.Add(Strict.GetString([.. run]));
        }
        catch (DecoderFallbackException)
        {
            result.Add(new string('\uFFFD', run.Count));
        }
        run.Clear();
    }
}

/// <summary>All tokens become one.</summary>
internal sealed class FuseDecoder : Decoder
{
    /// <inheritdoc/>
    public override void Apply(List<string> tokens, bool atStart)
    {
        var text = string.Concat(tokens);
        tokens.Clear();
        tokens.Add(text);
    }
}

/// <summary>Removes up to a number of equal characters at the ends of each token.</summary>
internal sealed class StripDecoder(string content, int start, int stop, bool perToken) : Decoder
{
    /// <summary>Whether only the beginning of the fused text is touched.</summary>
    public bool OnlyStart => stop == 0 && !perToken;

    /// <inheritdoc/>
    public override void Apply(List<string> tokens, bool atStart)
    {
        if (!atStart && !perToken) return;
        for (var i = 0; i < tokens.Count; i++) tokens[i] = Strip(tokens[i]);
    }

    private string Strip(string token)
    {
        int from = 0, to = token.Length;
        for (var i = 0; i < start && token.AsSpan(from).StartsWith(content); i++) from += content.Length;
        for (var i = 0; i < stop && to > from && token.AsSpan(from, to - from).EndsWith(content); i++)
            to -= content.Length;
        return token[from..to];
    }
}

/// <summary>Replaces matches of a pattern in each token.</summary>
internal sealed class ReplaceDecoder(SplitPattern pattern, string content) : Decoder
{
    /// <inheritdoc/>
    public override void Apply(List<string> tokens, bool atStart)
    {
        for (var i = 0; i < tokens.Count; i++) tokens[i] = Replace(tokens[i]);
    }

    private string Replace(string token)
    {
        var text = new StringBuilder();
        var done = 0;
        foreach (var (start, end) in new MatchEnumerator(pattern, token))
        {
            text.Append(token, done, start - done).Append(content);
            done = end;
        }
        return done == 0 && text.Length == 0 ? token : text.Append(token, done, token.Length - done).ToString();
    }
}
