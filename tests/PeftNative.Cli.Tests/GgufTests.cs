using PeftNative.Tests;
using PeftNative.Tests.Formats;
using Xunit;

namespace PeftNative.Cli.Tests;

/// <summary>A model in three GGUF files, in every verb that takes a model.</summary>
public sealed class GgufTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("llama")]
    [InlineData("gpt2")]
    public void A_split_model_goes_through_every_verb(string name)
    {
        var model = Split(name);
        var (data, output, merged) = (folder.Write("data.jsonl", Lines("""{"prompt":"the ","completion":"world"}""")),
            folder["out"], folder["merged"]);
        string[] cpu = ["--backend", "reference"];
        string[] training = ["--model", model, "--data", data, "--output", output, "--max_steps", "4", .. cpu];
        Command.Succeed(["check", "--deep", .. training]);
        Command.Succeed(["train", "--lr", "0.02", .. training]);
        Command.Succeed("data", "--model", model, "--data", data);
        Command.Succeed("inspect", model);
        Command.Succeed("inspect", output, "--model", model);
        Command.Succeed(["generate", "--model", model, "--adapter", output, "--prompt", "the", "--max_tokens", "3",
            .. cpu]);
        Assert.Equal(0, Command.RunWith("the\n", ["chat", "--model", model, "--adapter", output, "--max_tokens", "3",
            .. cpu]).Code);
        Command.Succeed(["predict", "--model", model, "--adapter", output, "--data", data, "--max_tokens", "3",
            "--output", folder["predictions.jsonl"], .. cpu]);
        Command.Succeed("export", "--model", model, "--adapter", output, "--to", "gguf-lora", "--output",
            folder["lora.gguf"]);
        Command.Succeed(["bench", "load", "--model", model, "--steps", "1", "--warmup", "0", "--batch", "1", "--seq",
            "8", .. cpu]);
        Command.Succeed(["compare", "--model", model, "--data", Labelled(), "--eval_data", Labelled(), "--methods",
            "lora", "--sizes", "8", "--seeds", "42", "--output", folder["compared"], .. cpu]);

        // What is merged is the same model for every verb after it.
        Command.Succeed(["merge", "--model", model, "--adapter", output, "--output", merged, .. cpu]);
        double Loss(params string[] what) => Command.Succeed(["eval", "--data", data, "--json", .. what, .. cpu])
            .Lines[0]["loss"]!.GetValue<double>();
        Assert.Equal(Loss("--model", model, "--adapter", output), Loss("--model", merged), 1e-5);
        Assert.NotEqual(Loss("--model", model), Loss("--model", merged), 1e-3);
    }

    private string Split(string name)
    {
        var whole = SharedFolder.PathOrSkip($"recorded/gguf/models/{name}/model.gguf");
        string[] files = [.. Enumerable.Range(1, 3).Select(i => folder[$"m-0000{i}-of-00003.gguf"])];
        foreach (var (file, bytes) in files.Zip(new GgufCopy(whole).Split(3))) File.WriteAllBytes(file, bytes);
        return files[0];
    }

    private string Labelled() => folder.Write("labels.jsonl",
        Lines("""{"text":"the world","label":"a"}""", """{"text":"an order","label":"b"}"""));

    private static string Lines(params string[] records) =>
        string.Concat(Enumerable.Repeat(string.Join('\n', records) + "\n", 12));
}
