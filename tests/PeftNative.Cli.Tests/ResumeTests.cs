using Xunit;

namespace PeftNative.Cli.Tests;

/// <summary>Going on with what is another run is refused by name, whatever way the checkpoint is found.</summary>
public sealed class ResumeTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly string model, data;

    public ResumeTests()
    {
        (model, data) = (TinyModels.T5(folder), TinyModels.Sources(folder));
        Command.Succeed(Train("--save_steps", "1"));
        File.Delete(Path.Combine(folder["out"], "summary.json")); // as if it had been ended
    }

    private string Checkpoint => Path.Combine(folder["out"], "checkpoint-1");

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("--lora_alpha", "32", "lora_alpha is 8 there, 32 here")]
    [InlineData("--use_rslora", "true", "use_rslora is false there, true here")]
    [InlineData("--target_modules", "k,o", "target_modules is [\"q\", \"v\"] there, [\"k\", \"o\"] here")]
    [InlineData("--rank_pattern", "q=2", "rank_pattern of q is null there, 2 here")]
    [InlineData("--batch_size", "4", "batch_size is 8 there, 4 here")]
    [InlineData("--quantization", "nf4", "quantization is null there, \"Nf4")]
    [InlineData("--dtype", "fp64", "dtype is \"fp32\" there, \"fp64\" here")]
    public void A_named_checkpoint_is_of_one_run(string flag, string value, string said) =>
        Assert.Contains(said, Command.Fail(2, Train("--resume", Checkpoint, flag, value)), StringComparison.Ordinal);

    [Theory]
    [InlineData("auto")]
    [InlineData("checkpoint")]
    public void Files_that_have_changed_under_the_same_names_are_refused(string way)
    {
        var resume = way == "auto" ? way : Checkpoint;
        var targets = File.ReadAllText(data);
        File.WriteAllText(data, targets.Replace("\"target\":\"yes\"", "\"target\":\"not\"", StringComparison.Ordinal));
        Assert.Contains("the training data is another", Command.Fail(2, Train("--resume", resume)),
            StringComparison.Ordinal);
        File.WriteAllText(data, targets);

        var config = Path.Combine(model, "config.json");
        var own = File.ReadAllText(config);
        File.WriteAllText(config,
            own.Replace("\"feed_forward_proj\":\"gated-gelu\"", "\"feed_forward_proj\":\"gated-silu\"",
            StringComparison.Ordinal));
        Assert.Contains("feed_forward_proj is \"gated-gelu\" there, \"gated-silu\" here",
            Command.Fail(2, Train("--resume", resume)), StringComparison.Ordinal);
        File.WriteAllText(config, own);

        var weights = Path.Combine(model, "model.safetensors");
        var bytes = File.ReadAllBytes(weights);
        bytes[^1] ^= 1;
        File.WriteAllBytes(weights, bytes);
        Assert.Contains("the checkpoint of the base is another", Command.Fail(2, Train("--resume", resume)),
            StringComparison.Ordinal);
        bytes[^1] ^= 1;
        File.WriteAllBytes(weights, bytes);
        Command.Succeed(Train("--resume", resume));
    }

    private string[] Train(params string[] more) =>
        ["train", "--model", model, "--data", data, "--output", folder["out"], "--max_steps", "2", "--backend",
            "reference", .. more];
}
