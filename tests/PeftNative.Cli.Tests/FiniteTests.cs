using PeftNative.Formats.Safetensors;
using Xunit;

namespace PeftNative.Cli.Tests;

/// <summary>What is not finite ends with code 6, whichever verb meets it, and what was there before stays.</summary>
public sealed class FiniteTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly string model, data;

    public FiniteTests() => (model, data) = (TinyModels.Llama(folder), TinyModels.Prompts(folder));

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("--adam_epsilon", "0")]
    [InlineData("--lr", "1e38")]
    [InlineData("--adam_beta1", "1")]
    [InlineData("--adam_beta2", "1")]
    public void A_last_step_that_overflows_saves_nothing(string flag, string value)
    {
        var error = Command.Fail(6, Train("--max_steps", "1", flag, value));
        Assert.Contains("step 1", error, StringComparison.Ordinal);
        Assert.Contains("no finite checkpoint", error, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(folder["out"], "adapter_model.safetensors")));
    }

    [Fact]
    public void The_last_finite_checkpoint_is_named_and_the_adapter_is_not_written_over()
    {
        Command.Succeed(Train("--max_steps", "4", "--save_steps", "2"));
        var file = Path.Combine(folder["out"], "adapter_model.safetensors");
        var (before, checkpoint) = (File.ReadAllBytes(file), Path.Combine(folder["out"], "checkpoint-2"));
        var outcome = Command.Run(Train("--max_steps", "3", "--lr", "1e38", "--resume", checkpoint));
        Assert.Equal(6, outcome.Code);
        Assert.Contains($"The last finite checkpoint is {checkpoint}.", outcome.Error, StringComparison.Ordinal);
        Assert.Contains("warning: the checkpoint's run had another max_steps: 4 there, 3 here", outcome.Error,
            StringComparison.Ordinal);
        Assert.Equal(before, File.ReadAllBytes(file));
    }

    [Fact]
    public void An_adapter_that_is_not_finite_is_refused_by_every_verb()
    {
        Command.Succeed(Train("--max_steps", "1"));
        Spoil(Path.Combine(folder["out"], "adapter_model.safetensors"), _ => true, float.NaN);
        foreach (var call in Calls(folder["out"]))
        {
            var error = Command.Fail(6, call);
            Assert.Contains("adapter_model.safetensors", error, StringComparison.Ordinal);
        }
        Assert.False(Path.Exists(folder["written"]));
    }

    [Fact]
    public void A_base_that_computes_what_is_not_finite_is_refused_by_every_verb()
    {
        Command.Succeed(Train("--max_steps", "1"));
        Spoil(Path.Combine(model, "model.safetensors"), name => name == "model.norm.weight", float.PositiveInfinity);
        foreach (var call in Calls(folder["out"]).Where(c => c[0] != "export" && !c.Contains("cat")))
            Assert.Contains("not finite", Command.Fail(6, call)
                .Replace("is NaN", "is not finite", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.False(Path.Exists(folder["written"]));
    }

    [Fact]
    public void A_type_that_does_not_hold_a_weight_is_refused()
    {
        Command.Succeed(Train("--max_steps", "1"));
        Spoil(Path.Combine(model, "model.safetensors"), name => name == "model.norm.weight", 1e5f);
        string[] merge = ["merge", "--model", model, "--adapter", folder["out"], "--output", folder["written"],
            "--backend", "reference"];
        Assert.Contains("model.norm.weight", Command.Fail(6, [.. merge, "--dtype", "fp16"]), StringComparison.Ordinal);
        Assert.False(Path.Exists(folder["written"]));
        Spoil(Path.Combine(folder["out"], "adapter_model.safetensors"), name =>
            name.EndsWith("lora_B.weight", StringComparison.Ordinal), 1e5f);
        string[] export = ["export", "--model", model, "--adapter", folder["out"], "--to", "gguf-lora", "--output",
            folder["a.gguf"]];
        Assert.Contains("lora_b", Command.Fail(6, [.. export, "--outtype", "f16"]), StringComparison.Ordinal);
        Assert.False(File.Exists(folder["a.gguf"]));
        Command.Succeed(export);
    }

    private string[] Train(params string[] more) =>
        ["train", "--model", model, "--data", data, "--output", folder["out"], "--backend", "reference", .. more];

    private IEnumerable<string[]> Calls(string adapter)
    {
        string[] from = ["--model", model, "--adapter", adapter];
        yield return ["merge", .. from, "--output", folder["written"], "--backend", "reference"];
        yield return ["merge", .. from, "--adapter", adapter, "--combination_type", "cat", "--output",
            folder["written"], "--backend", "reference"];
        yield return ["eval", .. from, "--data", data, "--backend", "reference"];
        yield return ["predict", .. from, "--data", data, "--output", folder["written"], "--backend", "reference"];
        yield return ["generate", .. from, "--prompt", "1 and", "--backend", "reference"];
        yield return ["export", .. from, "--to", "mlx", "--output", folder["written"]];
    }

    // Puts a number at the end of the tensors that are chosen.
    private static void Spoil(string file, Func<string, bool> isChosen, float value)
    {
        var writer = SafetensorsWriter.ForPyTorch();
        using (var whole = SafetensorsFile.Open(file))
            foreach (var tensor in whole.Tensors)
            {
                var values = new float[tensor.ElementCount];
                whole.ReadAs(tensor, values);
                if (isChosen(tensor.Name)) values[^1] = value;
                writer.Add(tensor.Name, tensor.Shape.AsSpan(), values);
            }
        writer.Save(file);
    }
}
