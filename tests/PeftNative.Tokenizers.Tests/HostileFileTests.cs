using System.Diagnostics;
using System.Text;
using PeftNative.Tokenizers.Files.Parts;
using Xunit;

namespace PeftNative.Tokenizers.Tests;

public class HostileFileTests
{
    private const string Metaspace =
        """{"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":true}""";

    private static readonly string Small = TestTokenizer.Json(
        """{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"▁":3},"merges":["a b"]}""", Metaspace,
        """
        {"type":"Sequence","normalizers":[{"type":"NFC"},
        {"type":"Replace","pattern":{"Regex":"x{2,3}"},"content":"a"}]}
        """,
        "[" + TestTokenizer.Added("[X]", special: true) + "]",
        """
        {"type":"TemplateProcessing",
        "single":[{"SpecialToken":{"id":"a","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],
        "pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":1}}],
        "special_tokens":{"a":{"id":"a","ids":[0],"tokens":["a"]}}}
        """,
        Metaspace);

    [Fact]
    public void A_file_cut_off_at_any_byte_is_a_typed_error()
    {
        Assert.Equal([0, 3, 2, 4], TestTokenizer.Load(Small).EncodeText("ab[X]").Ids);
        var bytes = Encoding.UTF8.GetBytes(Small.TrimEnd());
        TestTokenizer.InFolder(folder =>
        {
            for (var length = 0; length < bytes.Length; length++)
            {
                File.WriteAllBytes(Path.Combine(folder, "tokenizer.json"), bytes[..length]);
                Assert.Throws<ModelFormatException>(() => HfTokenizer.Load(folder));
            }
            return 0;
        });
    }

    [Fact]
    public void Random_changes_of_a_file_give_a_tokenizer_or_a_typed_error()
    {
        var random = new Random(20261);
        var original = Encoding.UTF8.GetBytes(Small);
        var loaded = 0;
        TestTokenizer.InFolder(folder =>
        {
            for (var round = 0; round < 4000; round++)
            {
                var bytes = original.ToArray();
                for (var change = random.Next(3); change >= 0; change--)
                    bytes[random.Next(bytes.Length)] = (byte)random.Next(random.Next(2) == 0 ? 256 : 128);
                File.WriteAllBytes(Path.Combine(folder, "tokenizer.json"), bytes);
                loaded += LoadsAndEncodes(() => HfTokenizer.Load(folder)) ? 1 : 0;
            }
            return 0;
        });
        Assert.InRange(loaded, 1, 3999);
    }

    [Fact]
    public void Random_changes_of_a_sentencepiece_model_give_a_tokenizer_or_a_typed_error()
    {
        byte[] Piece(string text, byte kind) =>
            [0x0A, (byte)(Encoding.UTF8.GetByteCount(text) + 9), 0x0A, (byte)Encoding.UTF8.GetByteCount(text),
                .. Encoding.UTF8.GetBytes(text),
                0x15, 0, 0, 0x80, 0xBF, 0x18, kind];
        byte[] model = [.. Piece("?", 2), .. Piece("▁", 1), .. Piece("a", 1), .. Piece("▁a", 1), .. Piece("[X]", 4),
            0x12, 2, 0x18, 2];
        var random = new Random(7);
        TestTokenizer.InFolder(folder =>
        {
            var path = Path.Combine(folder, "tokenizer.model");
            File.WriteAllBytes(path, model);
            Assert.Equal([3, 4, 2, 0], HfTokenizer.LoadSentencePiece(path).EncodeText("a[X]a!").Ids);
            for (var round = 0; round < 3000; round++)
            {
                var bytes = model.ToArray();
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
                File.WriteAllBytes(path, round % 2 == 0 ? bytes : bytes[..random.Next(bytes.Length)]);
                LoadsAndEncodes(() => HfTokenizer.LoadSentencePiece(path));
                LoadsAndEncodes(() => HfTokenizer.Load(folder));
            }
            return 0;
        });
    }

    [Theory]
    [InlineData("""{"type":"BPE","vocab":{"a":0},"merges":["a b"]}""", "not in the vocabulary")]
    [InlineData("""{"type":"BPE","vocab":{"a":0,"b":1},"merges":["a b"]}""", "not in the vocabulary")]
    [InlineData("""{"type":"BPE","vocab":{"a":0},"merges":["a  a"]}""", "one space between")]
    [InlineData("""{"type":"BPE","vocab":{"a":0},"merges":[["a"]]}""", "not of two tokens")]
    [InlineData("""{"type":"BPE","vocab":{"a":4000000000},"merges":[]}""", "a number from 0 to")]
    [InlineData("""{"type":"BPE","vocab":{"a":-1},"merges":[]}""", "a number from 0 to")]
    [InlineData("""{"type":"BPE","vocab":{"\ud800":0},"merges":[]}""", "surrogate")]
    [InlineData("""{"type":"BPE","vocab":[],"merges":[]}""", "an object belongs")]
    [InlineData("""{"type":"Unigram","vocab":[["a"]],"unk_id":0}""", "a token and a score")]
    [InlineData("""{"type":"Unigram","vocab":[["a",1e999]],"unk_id":0}""", "a number belongs")]
    [InlineData("""{"type":"Unigram","vocab":[["a",0]],"unk_id":7}""", "a number from 0 to 0")]
    [InlineData("""{"type":"WordPiece","vocab":{"a":0}}""", "unknown token")]
    [InlineData("""{"type":"Nonsense","vocab":{}}""", "Nonsense")]
    [InlineData("null", "model")]
    public void A_broken_model_is_named(string model, string message)
    {
        var error = Assert.Throws<ModelFormatException>(() => TestTokenizer.Load(TestTokenizer.Json(model)));
        Assert.Contains(message, error.Message);
        Assert.Contains("tokenizer.json", error.Where);
    }

    [Theory]
    [InlineData("""{"type":"Split","pattern":{"Regex":"(a"},"behavior":"Isolated","invert":false}""", "an open group")]
    [InlineData("""{"type":"Split","pattern":{"Regex":"[a"},"behavior":"Isolated","invert":false}""",
        "open character class")]
    [InlineData("""{"type":"Split","pattern":{"Regex":"(a)\\1"},"behavior":"Isolated","invert":false}""",
        "not supported")]
    [InlineData("""{"type":"Split","pattern":{"Regex":"\\p{Klingon}"},"behavior":"Isolated","invert":false}""",
        "Klingon")]
    [InlineData(
        """{"type":"Split","pattern":{"Regex":"(?:(?:ab){1000}){1000}"},"behavior":"Isolated","invert":false}""",
        "too large")]
    [InlineData("""{"type":"Split","pattern":{"Regex":"a"},"behavior":"Sideways","invert":false}""", "Sideways")]
    [InlineData("""{"type":"UnicodeScripts"}""", "UnicodeScripts")]
    public void A_broken_pre_tokenizer_is_named(string preTokenizer, string message)
    {
        var error = Assert.Throws<ModelFormatException>(() =>
            TestTokenizer.Load(TestTokenizer.Json(TestTokenizer.Words, preTokenizer)));
        Assert.Contains(message, error.Message);
    }

    [Fact]
    public void Sequences_nested_deeply_or_repeated_without_end_are_refused()
    {
        var deep = string.Concat(Enumerable.Repeat("""{"type":"Sequence","normalizers":[""", 40)) + string.Concat(
            Enumerable.Repeat("]}", 40));
        Assert.Throws<ModelFormatException>(() =>
            TestTokenizer.Load(TestTokenizer.Json(TestTokenizer.Words, normalizer: deep)));
        var many = string.Join(',', Enumerable.Repeat("""{"type":"NFC"}""", 1000));
        var error = Assert.Throws<ModelFormatException>(() => TestTokenizer.Load(
            TestTokenizer.Json(TestTokenizer.Words, normalizer: $$"""{"type":"Sequence","normalizers":[{{many}}]}""")));
        Assert.Contains("too many", error.Message);
        var patterns = string.Concat(Enumerable.Repeat("(", 500)) + string.Concat(Enumerable.Repeat(")", 500));
        Assert.Throws<ModelFormatException>(() => TestTokenizer.Load(
            TestTokenizer.Json(TestTokenizer.Words,
                normalizer: $$$"""{"type":"Replace","pattern":{"Regex":"{{{patterns}}}"},"content":""}""")));
    }

    [Fact]
    public void Two_templates_in_one_post_processor_are_refused()
    {
        const string Bert = """{"type":"BertProcessing","sep":["b",2],"cls":["a",1]}""";
        Assert.Throws<ModelFormatException>(() => TestTokenizer.Load(
            TestTokenizer.Json(TestTokenizer.Words,
                processor: $$"""{"type":"Sequence","processors":[{{Bert}},{{Bert}}]}""")));
    }

    [Fact]
    public void A_file_larger_than_the_limit_is_not_read()
    {
        TestTokenizer.InFolder(folder =>
        {
            var path = Path.Combine(folder, "tokenizer.json");
            File.WriteAllText(path, Small);
            Assert.Contains("at most", Assert.Throws<ModelFormatException>(() => JsonNodeAt.Read(path, 100)).Message);
            return 0;
        });
    }

    [Fact]
    public void A_folder_without_a_tokenizer_says_what_it_needs()
    {
        var error = TestTokenizer.InFolder(folder =>
            Assert.Throws<ModelFormatException>(() => HfTokenizer.Load(folder)));
        Assert.Contains("tokenizer.json", error.Remedy);
    }

    [Theory]
    [InlineData("(a+)+$")]
    [InlineData("(a|aa)+$")]
    [InlineData("(?:a*)*b")]
    [InlineData("a(?=a*b)|a")]
    public void A_pattern_that_backtracks_without_end_stops_with_an_error(string pattern)
    {
        var split = $$$"""{"type":"Split","pattern":{"Regex":"{{{pattern}}}"},"behavior":"Isolated","invert":false}""";
        var tokenizer = TestTokenizer.Load(TestTokenizer.Json(TestTokenizer.Words, split));
        var watch = Stopwatch.StartNew();
        Assert.Throws<ModelFormatException>(() => tokenizer.EncodeText(new string('a', 20_000) + "!"));
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(30), $"took {watch.Elapsed}");
    }

    [Fact]
    public void Merges_that_repeat_or_go_round_in_circles_end()
    {
        var tokenizer = TestTokenizer.Load(TestTokenizer.Json(
            """{"type":"BPE","vocab":{"a":0,"aa":1,"aaa":2,"aaaa":0},"merges":["a a","a aa","aa a","a a","aa aa"]}"""));
        Assert.Equal(7, tokenizer.EncodeText(new string('a', 7)).Ends[^1]);
        Assert.Equal(100_000, tokenizer.EncodeText(new string('a', 100_000)).Ends[^1]);
    }

    [Fact]
    public void A_believed_word_limit_cannot_exhaust_the_stack()
    {
        var tokenizer = TestTokenizer.Load(TestTokenizer.Json(
            """{"type":"WordPiece","vocab":{"[UNK]":0,"a":1,"##a":2},"max_input_chars_per_word":2147483647}"""));
        Assert.Equal([1, 2, 2], tokenizer.EncodeText("aaa").Ids);
        Assert.Equal([0], tokenizer.EncodeText(new string('a', 1_000_000)).Ids);
    }

    private static bool LoadsAndEncodes(Func<HfTokenizer> load)
    {
        try
        {
            var tokenizer = load();
            var ids = tokenizer.EncodeText("ab xx[X] \U0001F600é").Ids;
            tokenizer.Decode(ids);
            return true;
        }
        catch (PeftNativeException)
        {
            return false;
        }
    }
}
