using PeftNative.Cli.Options;
using PeftNative.Cli.Verbs;
using Xunit;

namespace PeftNative.Cli.Tests;

public class SettingTests
{
    private static readonly string[] Needed = ["--model", "m", "--data", "d.jsonl"];

    [Theory]
    [InlineData("--learning_rate")]
    [InlineData("--learning-rate")]
    [InlineData("--lr")]
    public void Dashes_underscores_and_aliases_mean_the_same(string flag) =>
        Assert.Equal(0.25, Parse([flag, "0.25"]).Number(TrainSettings.LearningRate));

    [Theory]
    [InlineData("train", 8)]
    [InlineData("predict", 32)]
    [InlineData("eval", 32)]
    [InlineData("compare", 16)]
    public void A_verb_has_its_own_default_for_a_shared_setting(string verb, int batchSize) => Assert.Equal(batchSize,
        CommandParser.Parse(Cli.Verbs.Single(v => v.Name == verb), Needed).Int(DataSettings.BatchSize));

    [Theory]
    [InlineData("--model_name_or_path", "model")]
    [InlineData("--base-model", "model")]
    [InlineData("--num_train_epochs", "epochs")]
    [InlineData("--per_device_train_batch_size", "batch_size")]
    [InlineData("--cutoff_len", "max_seq_length")]
    [InlineData("--output_dir", "output")]
    [InlineData("--iters", "max_steps")]
    public void Names_of_other_tools_are_known(string flag, string key)
    {
        var values = CommandParser.Parse(new TrainVerb(), [flag, "8"]);
        Assert.True(values.Has(TrainSettings.All.First(s => s.Key == key)));
    }

    [Theory]
    [InlineData("q_proj,v_proj", """["q_proj","v_proj"]""")]
    [InlineData("attn.c_attn", """["attn.c_attn"]""")]
    [InlineData("all-linear", "\"all-linear\"")]
    [InlineData("""["q_proj", "v_proj"]""", """["q_proj","v_proj"]""")]
    [InlineData(@".*\.(q|v)_proj", @""".*\\.(q|v)_proj""")]
    [InlineData(@".*\.[0-3]\..*{1,2}", @""".*\\.[0-3]\\..*{1,2}""")]
    public void Target_modules_are_names_or_a_pattern(string text, string json)
    {
        var setting = MethodSettings.Keys.First(s => s.Key == "target_modules");
        var node = Parse(["--target_modules", text]).Node(setting)!;
        Assert.Equal(json, node.ToJsonString(Output.JsonLines.Options));
    }

    [Theory]
    [InlineData("""{"q_proj": 4}""")]
    [InlineData("q_proj=4")]
    public void A_map_is_json_or_pairs(string text)
    {
        var setting = MethodSettings.Keys.First(s => s.Key == "rank_pattern");
        Assert.Equal("4", Parse(["--rank_pattern", text]).Map(setting)["q_proj"]);
    }

    [Theory]
    [InlineData("5,6,7", "[5,6,7]")]
    [InlineData("[7, 5]", "[7,5]")]
    [InlineData("""{"embed_tokens": [5], "lm_head": [6, 5]}""", """{"embed_tokens":[5],"lm_head":[6,5]}""")]
    public void Token_indices_are_a_list_or_lists_by_module(string text, string expected)
    {
        var setting = MethodSettings.Keys.First(s => s.Key == "trainable_token_indices");
        var values = Parse(["--trainable_token_indices", text]);
        Assert.Equal(expected, values.Node(setting)!.ToJsonString());
        Assert.Equal(expected, MethodSettings.Config(values).ToJson()["trainable_token_indices"]!.ToJsonString());
        using var folder = new TemporaryFolder();
        var file = folder.Write("c.yaml", $"trainable_token_indices: {text.Replace("5,6,7", "[5, 6, 7]")}");
        Assert.Equal(expected, Parse(["--config", file]).Node(setting)!.ToJsonString());
        Assert.Contains("whole numbers such as 5,6", Assert.Throws<UsageException>(() =>
            Parse(["--trainable_token_indices", "5,a"])).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("config.yaml",
        "learning_rate: 3e-4\nepochs: 5\nuse_dora: true\ntarget_modules: [q_proj, v_proj]\ncolumns: {prompt: "
        + "question}\n")]
    [InlineData("config.json",
        """
        {"learning_rate": 0.0003, "epochs": 5, "use_dora": true, "target_modules": ["q_proj", "v_proj"],
         "columns": {"prompt": "question"}}
        """)]
    public void Flags_come_before_the_file_and_the_file_before_defaults(string name, string text)
    {
        using var folder = new TemporaryFolder();
        var values = Parse(["--config", folder.Write(name, text), "--epochs", "2"]);
        Assert.Equal(2, values.Number(TrainSettings.Epochs));
        Assert.Equal(3e-4, values.Number(TrainSettings.LearningRate));
        Assert.Equal(8, values.Int(DataSettings.BatchSize));
        Assert.Equal("question", values.Map(DataSettings.Columns)["prompt"]);
        Assert.Equal(["q_proj", "v_proj"], values.Texts(MethodSettings.Keys.First(s => s.Key == "target_modules")));
        Assert.True(values.Switch(MethodSettings.Keys.First(s => s.Key == "use_dora")));
    }

    [Fact]
    public void What_is_written_reads_back_as_the_same_settings()
    {
        using var folder = new TemporaryFolder();
        var values = Parse(["--lr", "1e-7", "--target_modules", @".*\.(q|v)", "--rank_pattern", """{"a.b": 2}""",
            "--output", "my folder: 1", "--lr_scheduler", "cosine"]);
        var path = folder.Write("written.yaml", ConfigWriter.Write(values, TrainSettings.Recorded));
        var again = CommandParser.Parse(new TrainVerb(), ["--config", path]);
        foreach (var setting in TrainSettings.Recorded)
            Assert.Equal(values.Node(setting)?.ToJsonString(), again.Node(setting)?.ToJsonString());
    }

    [Theory]
    [InlineData("learning_rat: 1", "'learning_rat' is no key of peftnative train.", "Did you mean learning_rate?")]
    [InlineData("lr: 1\nlearning_rate: 2", "'learning_rate' and 'lr' are the same setting.", "Keep one")]
    [InlineData("epochs: [1, 2]", "--epochs must be a number", "")]
    [InlineData("use_dora: yes", "--use_dora must be true or false, not 'yes'.", "")]
    [InlineData("epochs: &a 3", "an anchor", "plainly")]
    [InlineData("epochs: !!int 3", "a tag", "plainly")]
    [InlineData("epochs: 3\n---\nepochs: 4", "more than one document", "")]
    [InlineData("- epochs", "must be keys with values", "model: my-model")]
    [InlineData("epochs: 'abc", "not valid YAML", "Correct the line")]
    [InlineData("epochs: 3\nepochs: 4", "not valid YAML: Duplicate key epochs", "Correct the line")]
    [InlineData("? &a [*a]\n: 1", "a key that is no text", "plainly")]
    [InlineData("? *a\n: 1", "a key that is no text", "plainly")]
    [InlineData("epochs: *a", "an alias", "plainly")]
    public void A_wrong_configuration_is_explained(string text, string what, string remedy)
    {
        using var folder = new TemporaryFolder();
        var error = Command.Fail(2, ["train", .. Needed, "--config", folder.Write("c.yaml", text)]);
        Assert.Contains(what, error, StringComparison.Ordinal);
        Assert.Contains(remedy, error, StringComparison.Ordinal);
        Assert.Contains("c.yaml", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("c.yaml", "epochs: ", "[", "]")]
    [InlineData("c.yaml", "epochs: ", "[", "")]
    [InlineData("c.yaml", "epochs: ", "{a: ", "}")]
    [InlineData("c.yaml", "epochs:\n", "- ", "")]
    [InlineData("c.yaml", "", "? ", "")]
    [InlineData("c.json", "{\"epochs\":", "[", "]")]
    public void A_configuration_nested_without_end_is_refused(string name, string start, string open, string close)
    {
        const int depth = 200_000;
        using var folder = new TemporaryFolder();
        var text = start + Repeat(open, depth) + "1" + Repeat(close, depth);
        var error = Command.Fail(2, ["train", .. Needed, "--config", folder.Write(name, text)]);
        Assert.Contains(open == "? " ? "no text" : "32", error, StringComparison.Ordinal);
        Assert.InRange(error.Length, 1, 600);
    }

    [Fact]
    public void A_configuration_nested_as_far_as_allowed_is_read()
    {
        using var folder = new TemporaryFolder();
        var inner = Repeat("[", 30) + Repeat("]", 30);
        var read = ConfigFile.Read(folder.Write("c.yaml", $"lr_scheduler_kwargs: {{a: {inner}}}"));
        Assert.Equal("{\"lr_scheduler_kwargs\":{\"a\":" + inner + "}}", read.ToJsonString());
    }

    [Theory]
    [InlineData("{\"a\":1,\"a\":2}", "'a' appears twice")]
    [InlineData("{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "depth of 32")]
    [InlineData("{\"a\":", "must be a JSON object")]
    public void A_broken_map_behind_a_flag_says_why(string text, string reason)
    {
        var error = Command.Fail(2, ["train", .. Needed, "--lr_scheduler_kwargs", text]);
        Assert.Contains(reason, error, StringComparison.Ordinal);
    }

    private static string Repeat(string text, int count) => string.Concat(Enumerable.Repeat(text, count));

    private static SettingValues Parse(string[] flags) => CommandParser.Parse(new TrainVerb(), [.. Needed, .. flags]);
}
