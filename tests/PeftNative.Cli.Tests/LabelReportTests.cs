using System.Text.Json.Nodes;
using Xunit;

namespace PeftNative.Cli.Tests;

/// <summary>Unbalanced classes: factors of the loss, what is said of every label, thresholds.</summary>
public sealed class LabelReportTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("yes", null)]
    [InlineData("no", "no=3")]
    [InlineData("no", "no=1,yes=0.25")]
    [InlineData("yes", "no=1.9")]
    public void Factors_decide_what_is_predicted_where_the_text_says_nothing(string label, string? weights)
    {
        // Two thirds are yes, and nothing tells the records apart.
        var data = folder.Write("same.jsonl", string.Concat(Enumerable.Range(0, 24)
            .Select(i => $$"""{"text":"the film","label":"{{(i % 3 == 0 ? "no" : "yes")}}"}""" + "\n")));
        var (model, output) = (TinyModels.Bert(folder), folder["out"]);
        var trained = Command.Succeed(["train", "--model", model, "--data", data, "--output", output, "--backend",
            "reference", "--epochs", "40", "--batch_size", "24", "--lr", "1e-2",
            .. weights is null ? [] : new[] { "--class_weight", weights }]);
        if (weights is not null) Assert.Contains("weights     no ", trained.Out, StringComparison.Ordinal);
        Assert.Equal(label, (string?)Lines("predict", model, output, data)[0]["label"]);
    }

    [Fact]
    public void Balanced_factors_and_what_was_found_of_every_label()
    {
        var data = folder.Write("rare.jsonl", string.Concat(Enumerable.Range(0, 24)
            .Select(i => $$"""{"text":"film {{i}}","label":"{{(i % 6 == 0 ? "no" : "yes")}}"}""" + "\n")));
        var (model, output) = (TinyModels.Bert(folder), folder["out"]);
        var trained = Command.Succeed("train", "--model", model, "--data", data, "--eval_data", data, "--output",
            output, "--backend", "reference", "--max_steps", "3", "--class_weight", "balanced");
        Assert.Contains("weights     no 3, yes 0.6", trained.Out, StringComparison.Ordinal);
        var line = File.ReadAllLines(Path.Combine(output, "log.jsonl")).Select(l => JsonNode.Parse(l)!)
            .Last(l => (string?)l["event"] == "eval");
        var eval = Lines("eval", model, output, data)[0];
        Assert.Equal(line["per_class"]!.ToJsonString(), eval["per_class"]!.ToJsonString());
        Assert.Equal(line["confusion_matrix"]!.ToJsonString(), eval["confusion_matrix"]!.ToJsonString());

        // By hand, from the predictions themselves.
        var said = Lines("predict", model, output, data).Select(l => (string)l["label"]!).ToList();
        var right = Enumerable.Range(0, 24).Select(i => i % 6 == 0 ? "no" : "yes").ToList();
        foreach (var (label, row) in new[] { ("no", 0), ("yes", 1) })
        {
            var hits = said.Zip(right).Count(p => p.First == label && p.Second == label);
            double predicted = said.Count(s => s == label), support = right.Count(r => r == label);
            var found = eval["per_class"]![label]!;
            Assert.Equal(hits / support, (double)found["recall"]!, 1e-12);
            Assert.Equal(predicted == 0 ? 0 : hits / predicted, (double)found["precision"]!, 1e-12);
            Assert.Equal(2 * hits / (predicted + support), (double)found["f1"]!, 1e-12);
            Assert.Equal(support, (double)found["support"]!);
            Assert.Equal(hits, (int)eval["confusion_matrix"]![row]![row]!);
        }
        var report = File.ReadAllText(Path.Combine(output, "report.html"));
        Assert.Contains("Confusion matrix", report, StringComparison.Ordinal);
        Assert.Contains("precision", report, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("maybe=2", "There is no label 'maybe'")]
    [InlineData("yes", "is no factor of a label")]
    [InlineData("yes=-1", "is no factor of a label")]
    public void A_wrong_factor_is_refused(string weights, string text) => Assert.Contains(text, Command.Fail(2, "train",
        "--model", TinyModels.Bert(folder), "--data", TinyModels.Labelled(folder), "--output", folder["o"],
        "--class_weight", weights, "--backend", "reference"), StringComparison.Ordinal);

    [Fact]
    public void Factors_are_refused_for_texts() => Assert.Contains("one label each", Command.Fail(2, "train", "--model",
        TinyModels.Llama(folder), "--data", TinyModels.Prompts(folder), "--output", folder["o"], "--class_weight",
        "balanced", "--backend", "reference"), StringComparison.Ordinal);

    [Fact]
    public void Thresholds_that_were_found_are_kept_and_used()
    {
        // A label that one record in eight has is hardly ever likelier than not.
        var data = folder.Write("several.jsonl", string.Concat(Enumerable.Range(0, 24).Select(i =>
            $$"""{"text":"film {{i}}","label":[{{(i % 8 == 0 ? "\"rare\"" : "")}}{{(i % 2 == 0 ? (i % 8 == 0
                ? ",\"even\"" : "\"even\"") : "")}}]}""" + "\n")));
        var (model, output) = (TinyModels.Bert(folder), folder["out"]);
        string[] train = ["train", "--model", model, "--data", data, "--eval_data", data, "--backend", "reference",
            "--max_steps", "6", "--output"];
        Command.Succeed([.. train, output, "--tune_thresholds"]);
        var labels = JsonNode.Parse(File.ReadAllText(Path.Combine(output, "labels.json")))!;
        var threshold = (double)labels["thresholds"]!["rare"]!;
        Assert.InRange(threshold, 0.01, 0.49);
        var best = JsonNode.Parse(File.ReadAllText(Path.Combine(output, "best", "labels.json")))!;
        Assert.NotNull(best["thresholds"]);
        foreach (var line in Lines("predict", model, output, data))
            Assert.Equal((double)line["scores"]!["rare"]! >= threshold,
                line["labels"]!.AsArray().Any(l => (string?)l == "rare"));
        Command.Succeed([.. train, folder["plain"]]);
        var (tuned, plain) = (Lines("eval", model, output, data)[0], Lines("eval", model, folder["plain"], data)[0]);
        Assert.True((double)tuned["f1_macro"]! > (double)plain["f1_macro"]!);
        Assert.Equal(threshold, (double)tuned["thresholds"]!["rare"]!, 1e-12);
        Assert.Contains("several labels", Command.Fail(2, "train", "--model", model, "--data",
            TinyModels.Labelled(folder), "--val_size", "4", "--output", folder["o"], "--tune_thresholds", "--backend",
            "reference"), StringComparison.Ordinal);
    }

    private static List<JsonNode> Lines(string verb, string model, string adapter, string data) =>
        [.. Command.Succeed(verb, "--model", model, "--adapter", adapter, "--data", data, "--backend", "reference",
            "--json").Out.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonNode.Parse(l)!)];
}
