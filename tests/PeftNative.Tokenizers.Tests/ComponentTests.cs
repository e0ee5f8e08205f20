using System.Text.Json;
using Xunit;

namespace PeftNative.Tokenizers.Tests;

/// <summary>
/// Components of tokenizer.json that the recorded folders do not have; what is expected is what tokenizers 0.23 gives.
/// </summary>
public class ComponentTests
{
    [Theory]
    [InlineData("""{"type":"Whitespace"}""", "It's 3.5é_x!?", "It|'|s|3|.|5é_x|!?")]
    [InlineData("""{"type":"WhitespaceSplit"}""", "a\u0085b \u00A0c", "a|b|c")]
    [InlineData("""{"type":"Digits","individual_digits":true}""", "ab12c½", "ab|1|2|c|½")]
    [InlineData("""{"type":"Digits","individual_digits":false}""", "ab12c½", "ab|12|c|½")]
    [InlineData("""{"type":"Punctuation","behavior":"Contiguous"}""", "a,,b.", "a|,,|b|.")]
    [InlineData("""{"type":"Punctuation"}""", "a,,b.", "a|,|,|b|.")]
    [InlineData("""{"type":"CharDelimiterSplit","delimiter":"-"}""", "a-b--c", "a|b|c")]
    [InlineData("""{"type":"FixedLength","length":2}""", "a😀bc", "a😀|bc")]
    [InlineData("""{"type":"Split","pattern":{"String":" "},"behavior":"MergedWithPrevious","invert":false}""",
        "a b  c", "a |b | |c")]
    [InlineData("""{"type":"Split","pattern":{"String":" "},"behavior":"MergedWithNext","invert":false}""", "a b  c",
        "a| b| | c")]
    [InlineData("""{"type":"Split","pattern":{"Regex":"[a-z]+"},"behavior":"Removed","invert":true}""", "ab1cd",
        "ab|cd")]
    public void A_pre_tokenizer_cuts_as_the_reference(string preTokenizer, string text, string expected)
    {
        Assert.Equal(expected.Split('|'),
            TestTokenizer.Load(TestTokenizer.Json(TestTokenizer.Words, preTokenizer)).Pieces(text));
    }

    [Theory]
    [InlineData("""{"type":"NFC"}""", "e\u0301\u0323a", "\u1EB9\u0301a")]
    [InlineData("""{"type":"NFD"}""", "é한", "e\u0301\u1112\u1161\u11AB")]
    [InlineData("""{"type":"NFKC"}""", "ﬁ①Å", "fi1Å")]
    [InlineData("""{"type":"NFKD"}""", "ﬁé", "fie\u0301")]
    [InlineData("""{"type":"Lowercase"}""", "ÀİΣ𐐀", "ài\u0307σ𐐨")]
    [InlineData("""{"type":"StripAccents"}""", "e\u0301x\u20DD", "ex")]
    [InlineData("""{"type":"Strip","strip_left":true,"strip_right":true}""", " \u3000a b\n", "a b")]
    [InlineData("""{"type":"Prepend","prepend":"xy"}""", "ab", "xyab")]
    [InlineData("""{"type":"Replace","pattern":{"Regex":"a+"},"content":"é"}""", "baac", "béc")]
    [InlineData("""{"type":"Nmt"}""", "a\u0001b\u200Bc", "ab c")]
    [InlineData(
        """{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"""
            + "\"lowercase\":true}",
        "\0É\t中", "e  中 ")]
    [InlineData(
        """{"type":"BertNormalizer","clean_text":false,"handle_chinese_chars":false,"strip_accents":false,"""
            + "\"lowercase\":true}", "É", "é")]
    public void A_normalizer_changes_text_as_the_reference(string normalizer, string text, string expected)
    {
        // Bytes without a split show the normalized text when decoded.
        var tokenizer = TestTokenizer.Load(TestTokenizer.Json(
            TestTokenizer.ByteModel,
                """{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}""", normalizer,
            decoder: """{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}"""));
        Assert.Equal(expected, tokenizer.Decode(tokenizer.EncodeText(text).Ids));
    }

    [Fact]
    public void Offsets_lead_back_to_the_original_through_normalization()
    {
        var tokenizer = TestTokenizer.Load(TestTokenizer.Json(
            TestTokenizer.Words, """{"type":"WhitespaceSplit"}""",
            """{"type":"Sequence","normalizers":[{"type":"NFKD"},{"type":"StripAccents"},{"type":"Lowercase"}]}"""));
        // A mark that was dropped at the end belongs to no character any more.
        Assert.Equal(["e\u0301E", "ﬁ𝒳"], tokenizer.Pieces("e\u0301E\u0301 ﬁ𝒳"));
        var (starts, ends) = tokenizer.EncodeText("😀 ﬁ𝒳").CodePointOffsets("😀 ﬁ𝒳");
        Assert.Equal([0, 2], starts);
        Assert.Equal([1, 4], ends);
    }

    [Theory]
    [InlineData(true, false, false, "foo xfoo foo", "foo| xfoo |foo")]
    [InlineData(false, true, false, "a  foo b", "a|  foo| b")]
    [InlineData(false, false, true, "a foo  b", "a |foo  |b")]
    [InlineData(false, true, true, " foo foo ", " foo |foo ")]
    public void Added_tokens_follow_their_flags(bool single, bool left, bool right, string text, string expected)
    {
        var added = $"[{TestTokenizer.Added("foo", single, left, right)}]";
        Assert.Equal(expected.Split('|'),
            TestTokenizer.Load(TestTokenizer.Json(TestTokenizer.Words, added: added)).Pieces(text));
    }

    [Theory]
    [InlineData("""{"type":"BertProcessing","sep":["b",2],"cls":["a",1]}""", "1 4 2 4 2", "0 0 0 1 1")]
    [InlineData(
        """{"type":"RobertaProcessing","sep":["b",2],"cls":["a",1],"trim_offsets":true,"add_prefix_space":true}""",
        "1 4 2 2 4 2", "0 0 0 0 0 0")]
    [InlineData("null", "4 4", "0 1")]
    public void A_pair_gets_the_template_of_its_family(string processor, string ids, string types)
    {
        var tokenizer = TestTokenizer.Load(TestTokenizer.Json(TestTokenizer.Words, processor: processor),
            """{"tokenizer_class":"BertTokenizer"}""");
        var encoding = tokenizer.EncodeText("x", "x");
        Assert.Equal(ids, string.Join(' ', encoding.Ids));
        Assert.Equal(types, string.Join(' ', encoding.TokenTypes!));
        Assert.Equal(new sbyte[] { 0, 1 }, encoding.Sources.Where(s => s >= 0));
    }

    [Theory]
    [InlineData("""{"type":"Sequence","decoders":[{"type":"ByteFallback"},{"type":"Fuse"}]}""",
        "<0xE4>|<0xBD>|<0xA0>|x|<0xFF>|<0xFE>", "你x\uFFFD\uFFFD")]
    [InlineData(
        """{"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]}""", " a",
        "a")]
    [InlineData("""{"type":"WordPiece","prefix":"##","cleanup":true}""", "do|not|##s|,|x", "do nots, x")]
    [InlineData("""{"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true}""", "▁a|▁b",
        "a b")]
    [InlineData("""{"type":"BPEDecoder","suffix":"</w>"}""", "a</w>|b</w>", "a b")]
    [InlineData("""{"type":"CTC","pad_token":"<pad>","word_delimiter_token":"_","cleanup":true}""", "h|h|<pad>|h|_|i",
        "hh i")]
    public void A_decoder_joins_tokens_as_the_reference(string decoder, string tokens, string expected)
    {
        var list = tokens.Split('|');
        var vocabulary = list.Distinct().Select((t, i) => (t, i)).ToDictionary(p => p.t, p => p.i);
        var model = $$"""{"type":"WordLevel","unk_token":"?","vocab":{{JsonSerializer.Serialize(vocabulary)}}}""";
        var tokenizer = TestTokenizer.Load(TestTokenizer.Json(model, decoder: decoder));
        Assert.Equal(expected, tokenizer.Decode([.. list.Select(t => vocabulary[t])]));
    }

    [Theory]
    [InlineData("""{"mask_token":"[X]"}""", "a  b")]
    [InlineData("""{"mask_token":{"content":"[X]","special":false}}""", "a  b")]
    [InlineData("""{"additional_special_tokens":["[X]"]}""", "a  b")]
    [InlineData("""{"added_tokens_decoder":{"5":{"content":"[X]","special":false}},"mask_token":"[X]"}""", "a  b")]
    [InlineData("""{"tokenizer_class":"GemmaTokenizer"}""", "a [X] b")]
    [InlineData(null, "a [X] b")]
    public void An_added_token_with_a_role_is_special_whatever_its_entry_says(string? config, string decoded)
    {
        var json = TestTokenizer.Json(TestTokenizer.Words, added: $"[{TestTokenizer.Added("[X]")}]")
            .Replace("\"id\":0", "\"id\":5");
        var tokenizer = TestTokenizer.Load(json, config);
        Assert.Equal(decoded.Replace(" ", ""), tokenizer.Decode([1, 5, 2]).Replace(" ", ""));
    }

    [Theory]
    [InlineData("GemmaTokenizer", "ab")]
    [InlineData("GemmaTokenizerFast", "ab")]
    [InlineData("LlamaTokenizer", "a<mask>b")]
    public void Gemma_masks_even_where_its_configuration_is_silent(string className, string decoded)
    {
        var model = """{"type":"WordLevel","unk_token":"?","vocab":{"?":0,"a":1,"b":2,"<mask>":3}}""";
        var json = TestTokenizer.Json(model, decoder: "{\"type\":\"Fuse\"}",
            added: $"[{TestTokenizer.Added("<mask>")}]")
            .Replace("\"id\":0", "\"id\":3");
        Assert.Equal(decoded, TestTokenizer.Load(json, $$"""{"tokenizer_class":"{{className}}"}""").Decode([1, 3, 2]));
    }
}
