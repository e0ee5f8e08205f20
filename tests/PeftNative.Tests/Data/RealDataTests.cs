using PeftNative.Data.Encoding;
using PeftNative.Data.Records;
using Xunit;

namespace PeftNative.Tests.Data;

/// <summary>The real data sets that lie beside the repository.</summary>
public class RealDataTests
{
    [Theory]
    [InlineData("sst2-train.jsonl", 6920, "negative,positive")]
    [InlineData("sst2-dev.jsonl", 872, "negative,positive")]
    [InlineData("sst2-test.jsonl", 1821, "negative,positive")]
    [InlineData("agnews-train.jsonl", 6000, "Business,Sci/Tech,Sports,World")]
    [InlineData("agnews-test.jsonl", 1600, "Business,Sci/Tech,Sports,World")]
    public void Labelled_texts_are_read_with_their_labels(string name, int records, string labels)
    {
        var source = RecordSource.Open(SharedFolder.PathOrSkip("real/data/" + name));
        Assert.Equal(RecordShape.TextLabel, source.Shape);
        Assert.Equal(records, source.Count());
        var vocabulary = LabelVocabulary.Find(source);
        Assert.Equal(ProblemType.SingleLabel, vocabulary.Problem);
        Assert.Equal(labels, string.Join(',', vocabulary.Names));
    }

    [Fact]
    public void A_book_becomes_blocks_that_lose_nothing()
    {
        var source = RecordSource.Open(SharedFolder.PathOrSkip("real/data/tinyshakespeare.txt"));
        Assert.Equal(1_115_394, Assert.IsType<TextRecord>(source.Single()).Text.Length);
        var tokenizer = new ToyTokenizer(ToyTokenizer.Manner.Bytes, ends: false);
        var encoder = new ExampleEncoder(tokenizer, new EncodingOptions { Task = ModelTask.CausalLM, MaxLength = 512 });
        var data = EncodedData.From(source, encoder, cancellation: TestContext.Current.CancellationToken);
        Assert.Equal((1_115_394 + 511) / 512, data.Examples.Count);
        Assert.Equal(1_115_394, data.Examples.Sum(e => e.Length));
    }
}
