using PeftNative.Tokenizers.Patterns;
using Xunit;

namespace PeftNative.Tokenizers.Tests;

public class PatternTests
{
    private const string Alphabet =
        "abcST'sſtremvldLL  \t\n\r.,!?-_12३½é中ー한\u0301\u00A0\u2003\u0085\u200B😀𝒳𐍈";

    [Theory]
    [InlineData(PatternFactory.Gpt2)]
    [InlineData(
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
            + @"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")]
    [InlineData(
        @"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}"
            + @"| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+")]
    [InlineData(
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
            + @"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")]
    public void A_hand_written_scanner_splits_like_its_regular_expression(string pattern)
    {
        var scanner = PatternFactory.Create(pattern);
        Assert.IsAssignableFrom<WordScanner>(scanner);
        var engine = new RegexPattern(pattern);
        var random = new Random(5);
        var characters = Alphabet.EnumerateRunes().Select(r => r.ToString()).ToArray();
        for (var round = 0; round < 20_000; round++)
        {
            var text = string.Concat(
                Enumerable.Range(0, random.Next(14)).Select(_ => characters[random.Next(characters.Length)]));
            Assert.Equal(Matches(engine, text), Matches(scanner, text));
        }
    }

    [Theory]
    [InlineData(@"\p{L}+", "a𝒳é1中", "a𝒳é|中")]
    [InlineData(@"a*?b", "aab b", "aab|b")]
    [InlineData(@"(?:ab){2,3}", "abababab", "ababab")]
    [InlineData(@"(?>a+)b|c", "aabc", "aab|c")]
    [InlineData(@"a++b", "aab", "aab")]
    [InlineData(@"(?<=[a-z])[A-Z]", "aBCdE", "B|E")]
    [InlineData(@"(?<!a)b", "abbb", "b|b")]
    [InlineData(@"[a-z&&[^aeiou]]+", "banana", "b|n|n")]
    [InlineData(@"[[:alpha:]\d_]+", "a1_-é", "a1_|é")]
    [InlineData(@"(?i)straße|K", "STRASSE kK", "k|K")]
    [InlineData(@"^.", "ab\ncd", "a|c")]
    [InlineData(@".$", "ab\ncd", "b|d")]
    [InlineData(@"\Aa|z\z", "aaz\nz", "a|z")]
    [InlineData(@"\bfoo\b", "foo food foo", "foo|foo")]
    [InlineData(@"\x{1F600}|\u00e9", "😀é", "😀|é")]
    [InlineData(@"\p{Han}+|\p{Hiragana}+", "中文かな", "中文|かな")]
    [InlineData(@"(?x: a b # no c
        )", "ab", "ab")]
    [InlineData(@"\P{L}+|\p{^N}", "1a", "1|a")]
    public void The_engine_matches_as_oniguruma_does(string pattern, string text, string expected) =>
        Assert.Equal(expected.Split('|'), Matches(new RegexPattern(pattern), text));

    private static string[] Matches(SplitPattern pattern, string text)
    {
        var matches = new List<string>();
        foreach (var (start, end) in new MatchEnumerator(pattern, text)) matches.Add(text[start..end]);
        return [.. matches];
    }
}
