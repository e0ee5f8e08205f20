using System.Text.Json.Nodes;
using PeftNative.Backends;
using Xunit;

namespace PeftNative.Cli.Tests;

/// <summary>Training goes on from a saved adapter: its values and settings, new data, a new run.</summary>
public sealed class ContinueTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("lora", "--lora_alpha", "16")]
    [InlineData("dora", "--r", "4")]
    [InlineData("ia3", "--feedforward_modules", "down_proj")]
    [InlineData("bottleneck", "--mh_adapter", "true")]
    [InlineData("prefix", "--num_virtual_tokens", "3")]
    public void A_saved_adapter_starts_with_its_values_and_goes_on_as_the_library_does(
        string method, string key, string value)
    {
        var (model, data) = (TinyModels.Llama(folder), TinyModels.Prompts(folder, 8));
        Command.Succeed(Train(model, data, "first", "--method", method, key, value, "--max_steps", "4"));
        var loss = Command.Succeed("eval", "--model", model, "--adapter", folder["first"], "--data", data, "--json",
            "--backend", "reference").Lines[^1]["loss"]!.GetValue<double>();
        var run = Command.Succeed(Train(model, data, "second", "--adapter", folder["first"], key, value, "--max_steps",
            "4", "--json"));
        Assert.Equal(loss, run.Lines.First(l => l.ContainsKey("loss"))["loss"]!.GetValue<double>(), 1e-5);

        string Text(string name) => File.ReadAllText(Path.Combine(folder[name], "adapter_config.json"));
        Assert.Equal(Text("first"), Text("second"));
        Command.Succeed(Train(model, data, "bytes", "--adapter", folder["first"], "--method", method, "--max_steps",
            "4"));
        Assert.Equal(Weights("second"), Weights("bytes")); // what is equal need not be said
        Assert.NotEqual(Weights("first"), Weights("second"));
    }

    [Fact]
    public void Steps_are_those_of_the_library()
    {
        var (model, data) = (TinyModels.Llama(folder), TinyModels.Prompts(folder, 8));
        Command.Succeed(Train(model, data, "first", "--max_steps", "4"));
        Command.Succeed(Train(model, data, "second", "--adapter", folder["first"], "--max_steps", "4"));

        using var backend = BackendFactory.Create("reference");
        using var loaded = Models.Loading.ModelLoader.Load(backend, model).Model;
        using var adapter = Peft.AdapterFolder.Load(loaded, folder["first"], trainable: true);
        var tokenizer = Tokenizers.HfTokenizer.Load(model);
        var encoder = new Data.Encoding.ExampleEncoder(tokenizer,
            new Data.Encoding.EncodingOptions { Task = ModelTask.CausalLM, MaxLength = 128 });
        var examples = Data.Encoding.EncodedData.From([.. Data.Records.RecordSource.Open(data)], encoder);
        using var trainer = new Training.Loop.Trainer(loaded, adapter, examples, null,
            new() { BatchSize = 8, MaxSteps = 4, LearningRate = 0.05, Seed = 42 });
        trainer.Run();
        Peft.AdapterFolder.Save(adapter, folder["library"]);
        Assert.Equal(Weights("library"), Weights("second"));
    }

    [Theory]
    [InlineData("--r", "16", "r 16 contradicts the adapter")]
    [InlineData("--lora_alpha", "3", "lora_alpha 3 contradicts the adapter")]
    [InlineData("--target_modules", "k_proj", "target_modules k_proj contradicts the adapter")]
    [InlineData("--method", "ia3", "method ia3 contradicts the adapter")]
    [InlineData("--method", "dora", "method dora contradicts the adapter")]
    [InlineData("--num_virtual_tokens", "4", "num_virtual_tokens is no setting of the method lora")]
    public void A_setting_that_contradicts_the_adapter_is_refused_by_name(string flag, string value, string said)
    {
        var (model, data) = (TinyModels.Llama(folder), TinyModels.Prompts(folder, 8));
        Command.Succeed(Train(model, data, "first", "--max_steps", "1", "--target_modules", "q_proj,v_proj"));
        Assert.Contains(said, Command.Fail(2, Train(model, data, "second", "--adapter", folder["first"], flag, value)),
            StringComparison.Ordinal);
        Command.Succeed(Train(model, data, "third", "--adapter", folder["first"], "--target_modules", "v_proj,q_proj",
            "--r", "8", "--max_steps", "1"));
    }

    [Fact]
    public void An_adapter_is_not_written_over_by_what_goes_on_from_it()
    {
        var (model, data) = (TinyModels.Llama(folder), TinyModels.Prompts(folder, 8));
        Command.Succeed(Train(model, data, "first", "--max_steps", "1", "--eval_data", data));
        foreach (var adapter in (string[])[folder["first"], Path.Combine(folder["first"], "best")])
            Assert.Contains("The output folder holds the adapter", Command.Fail(2, Train(model, data, "first",
                "--resume", "never", "--adapter", adapter)), StringComparison.Ordinal);
    }

    [Fact]
    public void Going_on_after_an_interruption_gives_the_same_bits_and_refuses_another_start()
    {
        var (model, data) = (TinyModels.Llama(folder), TinyModels.Prompts(folder, 24));
        Command.Succeed(Train(model, data, "first", "--max_steps", "3"));
        string[] train = Train(model, data, "second", "--adapter", folder["first"], "--max_steps", "4",
            "--save_steps", "2");
        Command.Succeed(train);
        var whole = Weights("second");
        foreach (var file in (string[])["summary.json", "adapter_model.safetensors"])
            File.Delete(Path.Combine(folder["second"], file));
        Assert.Contains("step 2 of 4", Command.Succeed(train).Error, StringComparison.Ordinal);
        Assert.Equal(whole, Weights("second"));

        File.Delete(Path.Combine(folder["second"], "summary.json"));
        Assert.Contains("The output folder holds a run with another adapter", Command.Fail(2, Train(model, data,
            "second", "--adapter", folder["second"] + "x/../first", "--max_steps", "4", "--save_steps", "2")),
            StringComparison.Ordinal);
        var weights = Path.Combine(folder["first"], "adapter_model.safetensors");
        var bytes = File.ReadAllBytes(weights);
        bytes[^1] ^= 1;
        File.WriteAllBytes(weights, bytes);
        Assert.Contains("the adapter that it goes on training is another", Command.Fail(2, train),
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_classifier_brings_its_head_and_its_labels()
    {
        var (model, data) = (TinyModels.Bert(folder), TinyModels.Labelled(folder));
        Command.Succeed(Train(model, data, "first", "--max_steps", "3"));
        var one = folder.Write("one.jsonl", """{"text":"the film is bad 3","label":"no"}""" + "\n");
        Command.Succeed(Train(model, one, "second", "--adapter", folder["first"], "--max_steps", "1"));
        Assert.Equal(File.ReadAllText(Path.Combine(folder["first"], "labels.json")),
            File.ReadAllText(Path.Combine(folder["second"], "labels.json")));

        var other = folder.Write("other.jsonl", File.ReadAllText(data).Replace("\"yes\"", "\"perhaps\"",
            StringComparison.Ordinal));
        Assert.Contains("does not know: perhaps; it knows no, yes", Command.Fail(3, Train(model, other, "third",
            "--adapter", folder["first"])), StringComparison.Ordinal);
        var texts = folder.Write("tags.jsonl", """{"tokens":["the","film"],"tags":["A","B"]}""" + "\n");
        Assert.Contains("is for SEQ_CLS, and these records ask for TOKEN_CLS", Command.Fail(2, Train(model, texts,
            "third", "--adapter", folder["first"])), StringComparison.Ordinal);

        // PEFT's own files name no labels, only their number.
        File.Delete(Path.Combine(folder["first"], "labels.json"));
        Assert.Contains("they are taken for 0: no, 1: yes", Command.Succeed(Train(model, data, "third", "--adapter",
            folder["first"], "--max_steps", "1")).Error, StringComparison.Ordinal);
        var three = folder.Write("three.jsonl", File.ReadAllText(data)
            + """{"text":"the film","label":"perhaps"}""" + "\n");
        Assert.Contains("labels that the adapter", Command.Fail(3, Train(model, three, "fourth", "--adapter",
            folder["first"])), StringComparison.Ordinal);
    }

    [Fact]
    public void The_base_may_have_another_adapter_merged_and_every_file_says_so()
    {
        var (model, data) = (TinyModels.Llama(folder), TinyModels.Prompts(folder, 8));
        Command.Succeed(Train(model, data, "under", "--max_steps", "3"));
        var under = $"{folder["under"]}:0.5";
        Command.Succeed(Train(model, data, "over", "--merge_adapter", under, "--max_steps", "3"));
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(folder["over"], "adapter_config.json")))!;
        var merged = Path.Combine(folder["over"], "merged-base");
        Assert.Equal(merged, config["base_model_name_or_path"]!.GetValue<string>());

        string[] use = ["--adapter", folder["over"], "--data", data, "--backend", "reference", "--json"];
        Assert.Contains("with " + under + " merged into it", Command.Succeed(["eval", "--model", model, .. use]).Error,
            StringComparison.Ordinal);
        Command.Succeed("merge", "--model", model, "--adapter", under, "--output", merged, "--backend", "reference");
        var outcome = Command.Succeed(["eval", "--model", merged, .. use]);
        Assert.Equal("", outcome.Error);
        var trained = Command.Succeed(Train(model, data, "again", "--merge_adapter", under, "--adapter",
            folder["over"], "--max_steps", "1", "--json"));
        Assert.Equal("", trained.Error);
        Assert.Equal(outcome.Lines[^1]["loss"]!.GetValue<double>(),
            trained.Lines.First(l => l.ContainsKey("loss"))["loss"]!.GetValue<double>(), 1e-5);

        // Another adapter in the base is another base.
        Assert.Contains("merged into it", Command.Succeed(Train(model, data, "else", "--merge_adapter",
            folder["under"], "--adapter", folder["over"], "--max_steps", "1")).Error, StringComparison.Ordinal);
        File.Delete(Path.Combine(folder["again"], "summary.json"));
        Rewrite(Path.Combine(folder["under"], "adapter_model.safetensors"));
        Command.Succeed(Train(model, data, "resumed", "--merge_adapter", folder["under"], "--max_steps", "2",
            "--save_steps", "1"));
        File.Delete(Path.Combine(folder["resumed"], "summary.json"));
        Rewrite(Path.Combine(folder["under"], "adapter_model.safetensors"));
        Assert.Contains("adapters merged into the base is", Command.Fail(2, Train(model, data, "resumed",
            "--merge_adapter", folder["under"], "--max_steps", "2", "--save_steps", "1")), StringComparison.Ordinal);
    }

    [Fact]
    public void Added_tokens_and_their_tokenizer_come_along()
    {
        var (model, data) = (TinyModels.Llama(folder), TinyModels.Prompts(folder, 8));
        Command.Succeed(Train(model, data, "first", "--max_steps", "1"));
        var tokenizer = JsonNode.Parse(File.ReadAllText(Path.Combine(model, "tokenizer.json")))!;
        var added = (JsonArray)tokenizer["added_tokens"]!;
        var token = (JsonObject)added[0]!.DeepClone();
        (token["id"], token["content"]) = (257, "<|new|>");
        added.Add((JsonNode)token);
        folder.Write("first/tokenizer.json", tokenizer.ToJsonString());
        folder.Write("first/tokenizer_config.json", File.ReadAllText(Path.Combine(model, "tokenizer_config.json")));

        Command.Succeed(Train(model, data, "second", "--adapter", folder["first"], "--eval_data", data, "--max_steps",
            "1"));
        foreach (var place in (string[])["second", "second/best"])
            Assert.Contains("the vocabulary grows by 1", Command.Succeed("generate", "--model", model, "--adapter",
                folder[place], "--prompt", "a<|new|>", "--max_tokens", "1").Error, StringComparison.Ordinal);
    }

    private byte[] Weights(string name)
    {
        var hub = Path.Combine(folder[name], "adapter.safetensors");
        return File.ReadAllBytes(File.Exists(hub) ? hub : Path.Combine(folder[name], "adapter_model.safetensors"));
    }

    private static void Rewrite(string path)
    {
        var bytes = File.ReadAllBytes(path);
        bytes[^3] ^= 1;
        File.WriteAllBytes(path, bytes);
    }

    private string[] Train(string model, string data, string output, params string[] more) =>
        ["train", "--model", model, "--data", data, "--output", folder[output], "--learning_rate", "0.05",
            "--backend", "reference", .. more];
}
