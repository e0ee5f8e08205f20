using PeftNative.Tokenizers.Encodings;
using Xunit;

namespace PeftNative.Tokenizers.Tests;

public class BatchAndStreamTests
{
    private static readonly string[] Folders =
        ["gpt2", "roberta", "llama3", "qwen2", "llama2", "llama2_metaspace", "gemma", "t5", "bert_uncased", "gpt_neox"];

    [Fact]
    public void The_pieces_of_a_stream_add_up_to_the_text_of_all_ids()
    {
        var random = new Random(11);
        foreach (var folder in Folders)
        {
            var tokenizer = HfTokenizer.Load(SharedData.Need($"golden/tokenizers/{folder}"));
            // With byte fallback a run of bytes can change what was text before it, so there random ids prove nothing.
            if (tokenizer.IdOf("<0x00>") is not null) continue;
            for (var round = 0; round < 200; round++)
            {
                var ids = Enumerable.Range(0, random.Next(40)).Select(_ =>
                    random.Next(tokenizer.VocabularySize + 2)).ToArray();
                var skip = round % 2 == 0;
                var stream = tokenizer.CreateStream(skip);
                var pieces = ids.Select(stream.Push).ToList();
                Assert.DoesNotContain(pieces, p => p.Length > 0 && char.IsHighSurrogate(p[^1]));
                pieces.Add(stream.Close());
                Assert.Equal(tokenizer.Decode(ids, skip, cleanUpSpaces: false), string.Concat(pieces));
            }
        }
    }

    [Fact]
    public void A_batch_equals_its_texts_one_by_one_and_pads_where_asked()
    {
        var tokenizer = HfTokenizer.Load(SharedData.Need("golden/tokenizers/bert_uncased"));
        string[] texts = ["one", "two words here", ""];
        var plain = tokenizer.EncodeBatch(texts);
        for (var row = 0; row < texts.Length; row++)
            Assert.Equal(tokenizer.EncodeText(texts[row]).Ids, plain.Row(row).ToArray());
        var padded = tokenizer.EncodeBatch(texts, null,
            new() { Padding = Padding.Longest, PadToMultipleOf = 8, PaddingSide = Side.Left });
        Assert.Equal(3, padded.Rows);
        Assert.All(Enumerable.Range(0, 3), row => Assert.Equal(0, padded.Row(row).Length % 8));
        Assert.Equal(plain.Row(2).ToArray(), padded.Row(2)[^2..].ToArray());
        Assert.Equal(2, padded.Mask(2).ToArray().Sum(m => m));
    }

    [Theory]
    [InlineData("gpt2")]
    [InlineData("bert_uncased")]
    public void A_batch_allocates_little_more_than_its_result(string folder)
    {
        var tokenizer = HfTokenizer.Load(SharedData.Need($"golden/tokenizers/{folder}"));
        var texts = Enumerable.Range(0, 500).Select(i =>
            $"The captain said that letter {i % 50} would cross the frozen river, and nobody answered.").ToArray();
        tokenizer.EncodeBatch(texts);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var batch = tokenizer.EncodeBatch(texts);
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        // Ids twice (collected, then laid out) with room to grow, a mask, types, and a few words for each row.
        Assert.True(allocated < (batch.Ids.Length * 22L) + (texts.Length * 80L),
            $"{allocated} bytes for {batch.Ids.Length} tokens");
    }

    [Fact]
    public void One_tokenizer_serves_several_threads()
    {
        var tokenizer = HfTokenizer.Load(SharedData.Need("golden/tokenizers/llama3"));
        var texts = Enumerable.Range(0, 64).Select(i => $"Thread {i} says: café 中文 {i * 7919}\n").ToArray();
        var expected = texts.Select(t => tokenizer.EncodeText(t).Ids).ToArray();
        Parallel.For(0, 2000, i => Assert.Equal(expected[i % 64], tokenizer.EncodeText(texts[i % 64]).Ids));
    }

    [Fact]
    public void The_seam_of_the_core_tells_offsets_sources_and_truncation()
    {
        var tokenizer = HfTokenizer.Load(SharedData.Need("golden/tokenizers/bert_uncased"));
        var whole = tokenizer.Encode("hello", "world");
        Assert.False(whole.Truncated);
        Assert.Equal((sbyte)-1, whole.Sources[0]);
        Assert.Equal(5, whole.Ends[whole.Sources.AsSpan().LastIndexOf((sbyte)0)]);
        Assert.NotNull(whole.TokenTypes);
        var cut = tokenizer.Encode("hello world and more", null, addSpecialTokens: true, maxLength: 4);
        Assert.True(cut.Truncated);
        Assert.Equal(4, cut.Ids.Length);
        Assert.Equal(tokenizer.IdOf("[PAD]"), tokenizer.PaddingId);
        Assert.Null(tokenizer.BeginOfSequenceId);
    }
}
