using PeftNative.Cli.Verify;
using PeftNative.Tests;
using Xunit;

namespace PeftNative.Cli.Tests;

public class TokenizerFolderTests
{
    [Theory]
    [InlineData("gpt2")]
    [InlineData("roberta")]
    [InlineData("roberta_prefix_space")]
    [InlineData("roberta_template")]
    [InlineData("llama3")]
    [InlineData("qwen2")]
    [InlineData("llama2")]
    [InlineData("llama2_metaspace")]
    [InlineData("gemma")]
    [InlineData("t5")]
    [InlineData("bert_uncased")]
    [InlineData("bert_cased")]
    [InlineData("distilbert")]
    [InlineData("opt")]
    [InlineData("gpt_neox")]
    public void A_recorded_folder_is_reproduced(string name)
    {
        var result = TokenizerVerifier.Verify(SharedFolder.PathOrSkip($"golden/tokenizers/{name}"));
        Assert.True(result.FirstFailure is null, result.FirstFailure);
        Assert.Equal(name, result.Name);
        Assert.True(result.Checked > 300, $"only {result.Checked} cases");
        Assert.Equal(0, result.Failed);
    }
}
