using PeftNative.Cli.Runs;
using Xunit;

namespace PeftNative.Cli.Tests;

/// <summary>What was asked and has no effect: settings are refused, what a base asks for is said.</summary>
public sealed class UnusedSettingTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("starcoder2", """, "residual_dropout": 0.1, "embedding_dropout": 0.2""",
        "residual_dropout 0.1, embedding_dropout 0.2")]
    [InlineData("gpt_neo", """, "resid_dropout": 0.1, "embed_dropout": 0.2""", "resid_dropout 0.1, embed_dropout 0.2")]
    [InlineData("seed_oss", """, "residual_dropout": 0.0""", "attention_dropout 0.1 (by saying nothing)")]
    [InlineData("llama", """, "attention_dropout": 0.3, "dropout": 0.2""", "attention_dropout 0.3")]
    [InlineData("llama", "", null)]
    public void Families_ask_for_dropout_in_words_of_their_own(string family, string keys, string? asked)
    {
        folder.Write("m/config.json", $$"""{"model_type": "{{family}}" {{keys}}}""");
        var said = StartPanel.UnusedDropout(folder["m"]);
        if (asked is null) Assert.Null(said);
        else Assert.Contains($"asks for {asked}, which", said, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--dtype", "fp16", "--combination_type", "linear")]
    [InlineData("--keep_quantization", null, "--combination_type", "linear")]
    [InlineData("--quantization", "nf4", "--combination_type", "linear")]
    [InlineData("--max_shard_size", "1GB", "--combination_type", "ties")]
    [InlineData("--density", "0.3", null, null)]
    [InlineData("--svd_rank", "2", null, null)]
    [InlineData("--majority_sign_method", "total", null, null)]
    [InlineData("--density", "0.3", "--combination_type", "linear")]
    [InlineData("--svd_rank", "2", "--combination_type", "ties")]
    [InlineData("--majority_sign_method", "total", "--combination_type", "magnitude_prune")]
    public void A_setting_that_a_merge_has_no_use_for_is_refused(string flag, string? value, string? of, string? type)
    {
        string?[] call = ["merge", "--model", "m", "--adapter", "a", "--output", folder["x"], of, type, flag, value];
        Assert.Contains($"{flag} has no effect", Command.Fail(2, [.. call.OfType<string>()]), StringComparison.Ordinal);
    }

    [Fact]
    public void A_type_of_numbers_is_refused_where_a_format_has_one()
    {
        string[] call =
            ["export", "--model", "m", "--adapter", "a", "--to", "mlx", "--output", folder["x"], "--outtype", "f16"];
        Assert.Contains("--outtype has no effect on mlx", Command.Fail(2, call), StringComparison.Ordinal);
    }
}
