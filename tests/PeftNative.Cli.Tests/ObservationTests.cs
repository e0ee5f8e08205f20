using System.Text.Json.Nodes;
using PeftNative.Formats.Safetensors;
using Xunit;

namespace PeftNative.Cli.Tests;

/// <summary>
/// Every fault of a run that is looked for is planted once, and must be said on the screen, in log.jsonl, in
/// summary.json and in report.html; a run without any says nothing.
/// </summary>
public sealed class ObservationTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_run_without_faults_says_nothing()
    {
        Assert.Empty(Train(TinyModels.Bert(folder), TinyModels.Labelled(folder), "--lr", "2e-2", "--epochs", "10"));
        Assert.Empty(Train(TinyModels.Llama(folder), TinyModels.Prompts(folder), "--lr", "2e-2", "--epochs", "4"));
        Assert.Equal(["dropout-of-the-base"], Train(TinyModels.T5(folder), TinyModels.Sources(folder), "--lr", "2e-2",
            "--epochs", "4").Select(o => (string?)o["name"]));
    }

    [Fact]
    public void Examples_of_both_data_sets_are_counted_and_named()
    {
        var data = folder.Write("train.jsonl", Labelled("a", "b", "c", "d"));
        var eval = folder.Write("eval.jsonl", Labelled("c", "x", "a"));
        var said = Said("evaluation-in-training", Train(TinyModels.Bert(folder), data, "--eval_data", eval));
        Assert.Contains("2 of 4 training examples", said, StringComparison.Ordinal);
        Assert.Contains("train.jsonl:1 (", said, StringComparison.Ordinal);
        Assert.Contains("eval.jsonl:3)", said, StringComparison.Ordinal);
    }

    [Fact]
    public void A_label_that_only_the_evaluation_data_has_is_named()
    {
        var model = TinyModels.Bert(folder);
        var config = Path.Combine(model, "config.json");
        var json = (JsonObject)JsonNode.Parse(File.ReadAllText(config))!;
        json["id2label"] = new JsonObject { ["0"] = "no", ["1"] = "yes", ["2"] = "maybe" };
        File.WriteAllText(config, json.ToJsonString());
        var eval = folder.Write("eval.jsonl", """{"text":"the new film","label":"maybe"}""" + "\n");
        var found = Train(model, TinyModels.Labelled(folder), "--eval_data", eval);
        Assert.Contains("has the label maybe", Said("label-only-in-evaluation", found), StringComparison.Ordinal);
    }

    [Fact]
    public void One_single_label_is_said_before_the_first_step()
    {
        var data = folder.Write("one.jsonl", """{"text":"a","label":"yes"}""" + "\n"
            + """{"text":"b","label":"yes"}""" + "\n");
        Assert.Contains("(yes)", Said("single-answer", Train(TinyModels.Bert(folder), data)), StringComparison.Ordinal);
    }

    [Fact]
    public void Answers_that_are_cut_off_are_counted_and_the_end_is_missed()
    {
        var data = folder.Write("long.jsonl",
            """{"prompt":"a","completion":"bcdefghijklmnopqrstuvwxyz"}""" + "\n");
        var found = Train(TinyModels.Llama(folder), data, "--max_seq_length", "8");
        Assert.Contains("1 of 1 answers", Said("answers-cut-off", found), StringComparison.Ordinal);
        Assert.Contains("<|end|>", Said("end-never-trained", found), StringComparison.Ordinal);
        found = Train(TinyModels.T5(folder), data, "--max_seq_length", "8");
        Assert.Contains("1 of 1 answers", Said("answers-cut-off", found), StringComparison.Ordinal);
    }

    [Fact]
    public void A_tokenizer_without_an_end_token_is_said_to_teach_none()
    {
        var model = TinyModels.Llama(folder);
        File.WriteAllText(Path.Combine(model, "tokenizer_config.json"),
            """{"tokenizer_class":"PreTrainedTokenizerFast"}""");
        var config = Path.Combine(model, "config.json");
        File.WriteAllText(config, File.ReadAllText(config).Replace("\"eos_token_id\":256,", "",
            StringComparison.Ordinal));
        Assert.Contains("has no end token", Said("end-never-trained", Train(model, TinyModels.Prompts(folder))),
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--target_modules", "query,valeu", "target_modules names valeu,")]
    [InlineData("--exclude_modules", "vaule", "exclude_modules names vaule,")]
    [InlineData("--exclude_modules", ".*\\.nothing", "exclude_modules names .*\\.nothing,")]
    [InlineData("--modules_to_save", "poler", "modules_to_save names poler,")]
    [InlineData("--rank_pattern", """{"qeury":4}""", "rank_pattern names qeury, which fits no module that is adapted")]
    [InlineData("--alpha_pattern", """{"dense":4}""", "alpha_pattern names dense,")]
    [InlineData("--layers_to_transform", "1,7", "layers_to_transform names 7, and this bert model has no such layer")]
    public void Names_that_match_nothing_are_said(string key, string value, string text)
    {
        var found = Train(TinyModels.Bert(folder), TinyModels.Labelled(folder), key, value);
        Assert.Contains(text, Said("adapter", found), StringComparison.Ordinal);
    }

    [Fact]
    public void A_pattern_of_layers_that_matches_nothing_is_said()
    {
        var found = Train(TinyModels.Bert(folder), TinyModels.Labelled(folder), "--layers_to_transform", "1",
            "--layers_pattern", "layer,blocks");
        Assert.Contains("layers_pattern names blocks,", Said("adapter", found), StringComparison.Ordinal);
    }

    [Fact]
    public void Tensors_that_nobody_asks_for_are_said_and_heads_of_other_tasks_are_not()
    {
        var model = TinyModels.Bert(folder);
        Change(model, t => t.Append(("cls.predictions.bias", [3], [1f, 2, 3])));
        Assert.Empty(Train(model, TinyModels.Labelled(folder), "--lr", "2e-2", "--epochs", "10"));
        Change(model, t => t.Append(("extra.weight", [2], [1f, 2])));
        Assert.Contains("extra.weight", Said("checkpoint", Train(model, TinyModels.Labelled(folder))),
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_pooler_that_the_checkpoint_lacks_is_trained_and_saved()
    {
        var (model, data, output) = (TinyModels.Bert(folder), TinyModels.Labelled(folder), folder["out"]);
        Change(model, t => t.Where(n => !n.Name.Contains("pooler", StringComparison.Ordinal)));
        TrainTo(output, model, data, ["--lr", "2e-2", "--epochs", "10"]);
        using (var file = SafetensorsFile.Open(Path.Combine(output, "adapter_model.safetensors")))
            Assert.Contains(file.Tensors, t => t.Name == "base_model.model.bert.pooler.dense.weight");
        // The numbers must not depend on what a later call draws for it.
        var eval = Command.Succeed("eval", "--model", model, "--adapter", output, "--data", data, "--backend",
            "reference", "--json");
        Assert.True((double)eval.Lines[0]["accuracy"]! > 0.9, eval.Out);
        Assert.DoesNotContain("lacks", eval.Error, StringComparison.Ordinal);
        Assert.Contains("pooler", Command.Fail(4, "train", "--model", model, "--data", data, "--output", folder["b"],
            "--method", "bitfit", "--backend", "reference"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("check")]
    [InlineData("train")]
    public void A_token_beyond_the_table_stops_before_the_first_step(string verb)
    {
        var model = TinyModels.Llama(folder);
        var tokenizer = Path.Combine(model, "tokenizer.json");
        var json = (JsonObject)JsonNode.Parse(File.ReadAllText(tokenizer))!;
        var added = json["added_tokens"]!.AsArray();
        var extra = added[0]!.DeepClone();
        (extra["id"], extra["content"]) = (300, "<|new|>");
        added.Add(extra);
        File.WriteAllText(tokenizer, json.ToJsonString());
        var data = folder.Write("new.jsonl", """{"prompt":"a","completion":"b"}""" + "\n"
            + """{"prompt":"a","completion":"b<|new|>"}""" + "\n");
        var error = Command.Fail(3, verb, "--model", model, "--data", data, "--output", folder["o"], "--backend",
            "reference");
        Assert.Contains("The token id 257 lies outside", error, StringComparison.Ordinal);
        Assert.Contains("new.jsonl:2", error, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(folder["o"], "log.jsonl")));
    }

    [Theory]
    [InlineData("check")]
    [InlineData("train")]
    public void Virtual_tokens_that_leave_no_room_stop_before_the_first_step(string verb)
    {
        var model = TinyModels.Bert(folder);
        var text = string.Join(' ', Enumerable.Repeat("film", 70));
        var data = folder.Write("long.jsonl", TinyModelsText(text));
        var error = Command.Fail(3, verb, "--model", model, "--data", data, "--output", folder["o"], "--method",
            "prompt", "--num_virtual_tokens", "20", "--max_seq_length", "64", "--backend", "reference");
        Assert.Contains("with the 20 virtual tokens in front 84", error, StringComparison.Ordinal);
        Assert.Contains("at most 44", error, StringComparison.Ordinal);
        // A length that nobody asked for makes room by itself.
        Command.Succeed("check", "--model", model, "--data", data, "--method", "prompt", "--num_virtual_tokens", "20",
            "--backend", "reference");
    }

    [Theory]
    [InlineData("There is no metric 'f1'", "--metric", "f1", "--val_size", "4")]
    [InlineData("There is no metric 'pearson'", "--metric", "pearson", "--val_size", "4")]
    [InlineData("--metric has no effect without data to evaluate on", "--metric", "accuracy")]
    [InlineData("--early_stopping_patience has no effect", "--early_stopping_patience", "2")]
    [InlineData("--eval_steps has no effect", "--eval_steps", "2")]
    public void What_evaluation_cannot_give_is_refused_before_the_first_step(string text, params string[] flags)
    {
        var output = folder["refused"];
        var error = Command.Fail(2, ["train", "--model", TinyModels.Bert(folder), "--data",
            TinyModels.Labelled(folder), "--output", output, "--backend", "reference", .. flags]);
        Assert.Contains(text, error, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(output, "log.jsonl")));
    }

    [Fact]
    public void An_adapter_that_changes_nothing_is_said_although_the_head_has_learned()
    {
        var found = Train(TinyModels.Bert(folder), TinyModels.Labelled(folder), "--lr", "2e-2", "--epochs", "10",
            "--lora_alpha", "0");
        Assert.Contains("changes nothing", Said("adapter-without-influence", found), StringComparison.Ordinal);
    }

    [Fact]
    public void An_adapter_whose_values_never_moved_is_said()
    {
        var found = Train(TinyModels.Bert(folder), TinyModels.Labelled(folder), "--lr", "1e-60", "--epochs", "10");
        Assert.Contains("The run has not learned", Said("adapter-unchanged", found), StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_that_goes_on_does_not_say_things_twice()
    {
        var (model, output) = (TinyModels.Bert(folder), folder["out"]);
        string[] more = ["--epochs", "2", "--save_steps", "1", "--modules_to_save", "poler"];
        TrainTo(output, model, TinyModels.Labelled(folder), more);
        File.Delete(Path.Combine(output, "summary.json"));
        Assert.Single(TrainTo(output, model, TinyModels.Labelled(folder), more), o => (string?)o["name"] == "adapter");
    }

    private static string Labelled(params string[] texts) => string.Concat(texts.Select(t =>
        $$"""{"text":"film {{t}}","label":"{{(t is "a" or "x" ? "no" : "yes")}}"}""" + "\n"));

    private static string TinyModelsText(string text) =>
        $$"""{"text":"{{text}}","label":"yes"}""" + "\n" + """{"text":"bad","label":"no"}""" + "\n";

    private List<JsonNode> Train(string model, string data, params string[] more) =>
        TrainTo(folder[$"run{Guid.NewGuid():N}"], model, data, more);

    // What was said, after making sure that it is the same in all places.
    private static List<JsonNode> TrainTo(string output, string model, string data, string[] more)
    {
        string[] length = more.Contains("--epochs") ? [] : ["--max_steps", "1"];
        var outcome = Command.Succeed(["train", "--model", model, "--data", data, "--output", output, "--backend",
            "reference", "--json", .. length, .. more]);
        List<JsonNode> found = [.. JsonNode.Parse(File.ReadAllText(Path.Combine(output, "summary.json")))!
            ["observations"]!.AsArray().Select(o => o!)];
        var (log, report) = (File.ReadAllText(Path.Combine(output, "log.jsonl")),
            System.Net.WebUtility.HtmlDecode(File.ReadAllText(Path.Combine(output, "report.html"))));
        foreach (var text in found.Select(o => (string)o["text"]!))
        {
            Assert.Contains(text, outcome.Error, StringComparison.Ordinal);
            Assert.Contains(outcome.Lines, l => (string?)l["message"] == text);
            Assert.Contains(text, report, StringComparison.Ordinal);
            Assert.Contains(log.Split('\n', StringSplitOptions.RemoveEmptyEntries),
                l => (string?)JsonNode.Parse(l)!["message"] == text);
        }
        return found;
    }

    private static string Said(string name, List<JsonNode> found) =>
        (string)Assert.Single(found, o => (string?)o["name"] == name)["text"]!;

    // Writes the checkpoint anew with other tensors.
    private static void Change(string model,
        Func<IEnumerable<(string Name, long[] Shape, float[] Values)>,
            IEnumerable<(string Name, long[] Shape, float[] Values)>> change)
    {
        var path = Path.Combine(model, "model.safetensors");
        List<(string, long[], float[])> tensors = [];
        using (var file = SafetensorsFile.Open(path))
            foreach (var tensor in file.Tensors)
            {
                var values = new float[tensor.ElementCount];
                file.ReadAs(tensor, values);
                tensors.Add((tensor.Name, [.. tensor.Shape], values));
            }
        var writer = SafetensorsWriter.ForPyTorch();
        foreach (var (name, shape, values) in change(tensors)) writer.Add(name, shape, values);
        writer.Save(path);
    }
}
