using System.Diagnostics;
using PeftNative.Tokenizers.Encodings;
using Xunit;

namespace PeftNative.Tokenizers.Tests;

public class HostileInputTests
{
    private const string ByteLevel =
        """{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}""";

    private static HfTokenizer Bytes(string added = "[]") =>
        TestTokenizer.Load(TestTokenizer.Json(TestTokenizer.ByteModel, ByteLevel, added: added, decoder: ByteLevel));

    [Theory]
    [InlineData("a\uD800b")]
    [InlineData("\uDC00")]
    [InlineData("\uD83D\uD83D\uDE00\uDE00")]
    public void A_lone_surrogate_counts_as_the_replacement_character(string text)
    {
        var tokenizer = Bytes();
        var encoding = tokenizer.EncodeText(text);
        var clean = new string([.. text.Select((c, i) => IsLone(text, i) ? '\uFFFD' : c)]);
        Assert.Equal(tokenizer.EncodeText(clean).Ids, encoding.Ids);
        Assert.Equal(clean, tokenizer.Decode(encoding.Ids));
        Assert.All(encoding.Ends, end => Assert.InRange(end, 0, text.Length));
        Assert.Equal(encoding.Ids.Length, encoding.CodePointOffsets(text).Ends.Length);
    }

    [Fact]
    public void Ids_outside_the_vocabulary_are_left_out_of_decoded_text()
    {
        var tokenizer = Bytes();
        Assert.Equal("ab", tokenizer.Decode(
            [-1, tokenizer.IdOf("a")!.Value, 256, int.MaxValue, tokenizer.IdOf("b")!.Value, int.MinValue]));
        var stream = tokenizer.CreateStream();
        Assert.Equal("", stream.Push(99999));
        Assert.Equal("a", stream.Push(tokenizer.IdOf("a")!.Value));
        Assert.Equal("", stream.Close());
    }

    [Fact]
    public void Of_added_tokens_with_the_same_text_the_last_counts()
    {
        var tokenizer = Bytes(
            $"[{TestTokenizer.Added("[X]", special: true)},{TestTokenizer.Added("[X]", lstrip: true)}]");
        Assert.Equal(["a", " [X]"], tokenizer.Pieces("a [X]"));
        Assert.Equal(257, tokenizer.VocabularySize);
        Assert.Equal("a[X]", tokenizer.Decode(tokenizer.EncodeText("a [X]").Ids, skipSpecialTokens: false));
    }

    [Theory]
    [InlineData('x')]
    [InlineData(' ')]
    [InlineData('\u0301')]
    [InlineData('\n')]
    public void The_time_for_a_line_of_one_character_grows_in_proportion(char c)
    {
        var merges = """{"type":"BPE","vocab":BYTES,"merges":[]}""";
        var normalizer = """{"type":"NFC"}""";
        var tokenizer = TestTokenizer.Load(TestTokenizer.Json(merges, ByteLevel, normalizer));
        tokenizer.EncodeText(new string(c, 20_000));
        var small = Time(tokenizer, new string(c, 100_000));
        var large = Time(tokenizer, new string(c, 1_000_000));
        Assert.True(large < (small * 60) + TimeSpan.FromSeconds(1), $"100 KB took {small}, 1 MB {large}");
    }

    [Fact]
    public void Limits_that_cannot_be_met_are_usage_errors()
    {
        const string Bert = """{"type":"BertProcessing","sep":["b",2],"cls":["a",1]}""";
        var tokenizer = TestTokenizer.Load(
            TestTokenizer.Json(TestTokenizer.Words, """{"type":"Whitespace"}""", processor: Bert));
        Assert.Equal([1, 4, 2], tokenizer.EncodeText("x x x", null, new() { MaxLength = 3 }).Ids);
        Assert.Equal([1, 2], tokenizer.EncodeText("x x x", null, new() { MaxLength = 2 }).Ids);
        Assert.Throws<UsageException>(() => tokenizer.EncodeText("x", null, new() { MaxLength = 1 }));
        Assert.Throws<UsageException>(() => tokenizer.EncodeText("x", null, new() { MaxLength = -1 }));
        Assert.Throws<UsageException>(() =>
            tokenizer.EncodeText("x", null, new() { Padding = Padding.Fixed, PadLength = 9 }));
        var second = new EncodeOptions { MaxLength = 4, Truncation = TruncationStrategy.OnlySecond };
        Assert.Throws<UsageException>(() => tokenizer.EncodeText("x x x x", null, second));
        Assert.Throws<UsageException>(() => tokenizer.EncodeText("x x x x x", "x", second));
        Assert.Throws<UsageException>(() => tokenizer.EncodeBatch(["x"], ["x", "x"]));
    }

    [Fact]
    public void Trailing_space_patterns_take_linear_time_on_long_runs()
    {
        var split = """{"type":"Split","pattern":{"Regex":"\\s+$"},"behavior":"Isolated","invert":false}""";
        var tokenizer = TestTokenizer.Load(TestTokenizer.Json(TestTokenizer.Words, split));
        Assert.Equal(2, tokenizer.EncodeText(new string(' ', 500_000) + "x  ").Ids.Length);
    }

    private static TimeSpan Time(HfTokenizer tokenizer, string text)
    {
        var watch = Stopwatch.StartNew();
        Assert.Equal(text.Length, tokenizer.EncodeText(text).Ends[^1]);
        return watch.Elapsed;
    }

    private static bool IsLone(string text, int i) => char.IsSurrogate(text[i])
        && !(i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1]))
            && !(i > 0 && char.IsSurrogatePair(text[i - 1], text[i]));
}
