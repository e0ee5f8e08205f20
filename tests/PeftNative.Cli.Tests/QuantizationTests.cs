using Xunit;

namespace PeftNative.Cli.Tests;

/// <summary>The flags that keep a base in 4 or 8 bits, through every verb that has them.</summary>
public sealed class QuantizationTests : IDisposable
{
    private static readonly string[] Reference = ["--backend", "reference"];

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    public static TheoryData<string, string[]> Flags => new()
    {
        { "nf4", ["--quantization", "nf4"] }, { "nf4 double", ["--quantization", "nf4", "--double_quant"] },
        { "fp4", ["--quantization", "fp4"] }, { "fp4 double", ["--quantization", "fp4", "--double_quant"] },
        { "int8", ["--quantization", "int8"] },
    };

    [Theory]
    [InlineData("gptq-asym-g32-actorder", "gptq")]
    [InlineData("ct-fp8-channel", "fp8")]
    [InlineData("small-nf4-double", "nf4")]
    public void How_a_base_is_quantised_in_its_files_is_named_as_people_name_it(string name, string form)
    {
        var model = Path.Combine(DocumentTests.Root, "tests", "golden", "bases", name);
        var facts = Command.Succeed("inspect", model, "--json").Lines[0]["facts"]!.AsObject();
        Assert.Equal(14, facts[$"quantised_{form}"]!.GetValue<int>());
        Assert.Equal([$"quantised_{form}"], facts.Select(f => f.Key).Where(k => k.StartsWith("quantised_")));
    }

    [Theory]
    [MemberData(nameof(Flags))]
    public void A_base_in_few_bits_trains_measures_continues_and_merges(string name, string[] flags)
    {
        var (model, data, output) = (TinyModels.Llama(folder), TinyModels.Prompts(folder), folder["out"]);
        Command.Succeed(["train", "--model", model, "--data", data, "--output", output, "--max_steps", "12", "--lr",
            "0.02", .. flags, .. Reference]);
        var resolved = File.ReadAllText(Path.Combine(output, "config.resolved.yaml"));
        Assert.Contains($"quantization: {flags[1]}", resolved, StringComparison.Ordinal);
        Assert.Equal(name.EndsWith("double", StringComparison.Ordinal),
            resolved.Contains("double_quant: true", StringComparison.Ordinal));

        double Loss(params string[] more) =>
            Command.Succeed(["eval", "--model", model, "--data", data, "--json", .. more,
                .. Reference]).Lines[0]["loss"]!.GetValue<double>();
        var (whole, few, trained) = (Loss(), Loss(flags), Loss(["--adapter", output, .. flags]));
        Assert.NotEqual(whole, few);
        Assert.InRange(few, whole - 0.5, whole + 0.5);
        Assert.True(trained < few, $"{trained} after training, {few} before");
        Assert.Equal(trained, Loss("--adapter", output)); // the adapter says how its base was quantised

        string[] use = ["--model", model, "--adapter", output, "--max_tokens", "5", .. flags, .. Reference];
        var continued = Command.Succeed(["generate", "--prompt", "3 and 4 is ", "--json",
            .. use]).Lines[0]["text"]!.GetValue<string>();
        var predicted =
            Command.Succeed(["predict", "--data", folder.Write("p.jsonl", """{"prompt":"3 and 4 is "}""" + "\n"),
                .. use]).Lines[0]["prediction"]!.GetValue<string>();
        Assert.Equal(continued, predicted);

        var merged = Command.Succeed(["merge", "--model", model, "--adapter", output, "--output", folder["merged"],
            .. flags, .. Reference]);
        Assert.Contains("what is written is dequantised", merged.Out, StringComparison.Ordinal);
        var alone = Command.Succeed(["eval", "--model", folder["merged"], "--data", data, "--json",
            .. Reference]).Lines[0]["loss"]!.GetValue<double>();
        Assert.Equal(trained, alone, 4);
    }

    [Fact]
    public void Products_of_whole_numbers_learn_as_those_of_dequantised_weights()
    {
        var (model, data) = (TinyModels.Llama(folder), TinyModels.Prompts(folder));
        double Trained(string compute)
        {
            string[] flags = ["--model", model, "--data", data, "--quantization", "int8", "--int8_compute", compute,
                .. Reference];
            double Loss(params string[] more) =>
                Command.Succeed(["eval", "--json", .. flags, .. more]).Lines[0]["loss"]!.GetValue<double>();
            Command.Succeed(["train", "--output", folder[compute], "--max_steps", "12", "--lr", "0.02", .. flags]);
            Assert.Contains($"int8_compute: {compute}",
                File.ReadAllText(Path.Combine(folder[compute], "config.resolved.yaml")), StringComparison.Ordinal);
            var (before, after) = (Loss(), Loss("--adapter", folder[compute]));
            Assert.True(after < before - 0.3, $"{compute}: {after} after training, {before} before");
            return after;
        }
        var (integer, dequantize) = (Trained("integer"), Trained("dequantize"));
        Assert.NotEqual(dequantize, integer);
        Assert.InRange(integer, dequantize - 0.1, dequantize + 0.1);
    }

    [Fact]
    public void The_maxima_of_blocks_in_few_bits_and_other_block_sizes_make_a_difference()
    {
        var (model, data) = (TinyModels.Llama(folder), TinyModels.Prompts(folder));
        string Loss(params string[] more) =>
            Command.Succeed(["eval", "--model", model, "--data", data, "--json", .. more,
                .. Reference]).Lines[0]["loss"]!.ToJsonString();
        var losses = new[]
        {
            Loss("--quantization", "nf4"), Loss("--quantization", "nf4", "--double_quant"),
            Loss("--quantization", "nf4", "--quantization_block_size", "16"),
            Loss("--quantization", "nf4", "--llm_int8_skip_modules", "q_proj"), Loss("--quantization", "fp4"),
            Loss("--quantization", "int8"),
        };
        Assert.Equal(losses.Length, losses.Distinct().Count());
        Assert.Equal(losses[0], Loss("--load_in_4bit", "--bnb_4bit_quant_type", "nf4"));
        Assert.Equal(losses[1], Loss("--load_in_4bit", "--bnb_4bit_quant_type", "nf4", "--bnb_4bit_use_double_quant"));
        Assert.Equal(losses[4], Loss("--load_in_4bit"));
        Assert.Equal(losses[5], Loss("--load_in_8bit"));
    }

    [Theory]
    [InlineData("--load_in_4bit", "--load_in_8bit")]
    [InlineData("--load_in_8bit", "--quantization", "nf4")]
    [InlineData("--load_in_4bit", "--quantization", "int8")]
    public void Flags_that_contradict_each_other_are_refused(params string[] flags) =>
        Assert.Contains("contradict each other",
        Command.Fail(2, ["train", "--model", TinyModels.Llama(folder), "--data", TinyModels.Prompts(folder), "--output",
            folder["out"], .. flags, .. Reference]),
        StringComparison.Ordinal);

    [Fact]
    public void What_cannot_be_quantised_is_said()
    {
        var call = (string[])["train", "--model", TinyModels.Llama(folder), "--data", TinyModels.Prompts(folder),
            "--output", folder["out"], .. Reference];
        Assert.Contains("no whole numbers of 8 bits", Command.Fail(2, [.. call, "--int8_compute", "integer"]),
            StringComparison.Ordinal);
        Assert.Contains("no whole numbers of 8 bits",
            Command.Fail(2, [.. call, "--int8_compute", "integer", "--quantization", "nf4"]), StringComparison.Ordinal);
        Assert.Contains("knows no 'nf5'", Command.Fail(2, [.. call, "--quantization", "nf5"]),
            StringComparison.Ordinal);
        Assert.Contains("must be a whole number from 2",
            Command.Fail(2, [.. call, "--quantization", "nf4", "--quantization_block_size", "1"]),
            StringComparison.Ordinal);
    }
}
