using System.Text.Json.Nodes;
using PeftNative.Models.Families;
using PeftNative.Peft;
using Xunit;

namespace PeftNative.Cli.Tests;

/// <summary>A run that has not learned says so everywhere, one that has says nothing; rates fit the model.</summary>
public sealed class LearningTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    [Theory]
    [InlineData("1e-7", "always giving the same answer has 0.6931")]
    [InlineData("0", "the learning rate was 0 in every step")]
    public void A_classifier_that_has_not_learned_is_said_to(string rate, string reason) =>
        AssertNotLearned(Train(TinyModels.Bert(folder), TinyModels.Labelled(folder), "--lr", rate), reason);

    [Fact]
    public void A_classifier_that_gives_one_label_to_all_is_said_to()
    {
        var data = Records(i => $$"""{"text":"the film","label":"{{(i % 3 == 0 ? "no" : "yes")}}"}""");
        AssertNotLearned(Train(TinyModels.Bert(folder), data, "--lr", "1e-2"),
            "always giving the same answer has 0.6365", "'yes' is predicted for all of 24 of the training records");
    }

    [Fact]
    public void A_classifier_of_one_answer_is_said_to_have_nothing_to_tell_apart() => AssertNotLearned(
        Train(TinyModels.Bert(folder), Records(_ => """{"text":"the film","label":"yes"}"""), "--lr", "1e-2"),
        "24 of the training records have the same answer");

    [Theory]
    [InlineData("1e-9", "8", "before the first step it was")]
    [InlineData("1e-2", "0", "every gradient was zero")]
    public void A_language_model_that_has_not_learned_is_said_to(string rate, string alpha, string reason)
    {
        var (model, data) = (TinyModels.Llama(folder), TinyModels.Prompts(folder));
        AssertNotLearned(Train(model, data, "--lr", rate, "--lora_alpha", alpha), reason);
    }

    [Fact]
    public void A_sequence_to_sequence_model_is_looked_at_too() => AssertNotLearned(
        Train(TinyModels.T5(folder), TinyModels.Prompts(folder), "--lr", "1e-9"), "before the first step it was");

    [Fact]
    public void Numbers_are_held_against_their_variance()
    {
        var data = Records(i => $$"""{"text":"film {{i}}","label":{{i % 3}}.5}""");
        AssertNotLearned(Train(TinyModels.Bert(folder), data, "--lr", "1e-7"),
            "always giving the same answer has 0.6667");
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("bert")]
    public void A_run_that_has_learned_or_is_a_trial_of_a_few_steps_warns_of_nothing(string family)
    {
        var (model, data) = family == "bert" ? (TinyModels.Bert(folder), TinyModels.Labelled(folder))
            : (TinyModels.Llama(folder), TinyModels.Prompts(folder));
        Assert.True(IsLearned(Train(model, data, "--lr", "2e-2"), family));
        Assert.True(IsLearned(Train(model, data, "--lr", "1e-9", "--max_steps", "3"), "trial"));
    }

    [Fact]
    public void A_rare_label_is_no_reason_to_warn()
    {
        var data = Records(i => $$"""{"text":"film {{i}}","label":"{{(i == 23 ? "no" : "yes")}}"}""");
        Assert.True(IsLearned(Train(TinyModels.Bert(folder), data, "--lr", "2e-2", "--epochs", "30"), "rare"));
    }

    [Theory]
    [InlineData("lora", false, 384, 1e-3)]
    [InlineData("lora", false, 768, 5e-4)]
    [InlineData("lora", false, 128, 1e-3)]
    [InlineData("dora", true, 4096, 1.875e-4)]
    [InlineData("ia3", false, 384, 2e-2)]
    [InlineData("ia3", true, 4096, 1e-2)]
    [InlineData("prompt", false, 1024, 0.1)]
    [InlineData("full", true, 1536, 2.5e-5)]
    public void The_usual_rate_goes_with_method_and_model(string method, bool isDecoder, int width, double rate)
    {
        var model = FamilyTable.Read(isDecoder ? TinyModels.Llama(folder) : TinyModels.Bert(folder));
        Assert.Equal(rate, Methods.Find(method).TrainRates.Of(model with { HiddenSize = width }), 1e-12);
    }

    [Fact]
    public void Every_method_has_a_rate_and_a_given_one_stays()
    {
        var model = FamilyTable.Read(TinyModels.Bert(folder));
        Assert.All(Methods.All, m => Assert.InRange(m.TrainRates.Of(model), 1e-5, 0.2));
        Assert.All(Methods.All, m => Assert.InRange(m.ComparedRate, 1e-5, 0.2));
        var panel = Train(TinyModels.Bert(folder), TinyModels.Labelled(folder), "--max_steps", "1").Text;
        Assert.Contains("rate 0.001 linear, chosen for this method and model", panel, StringComparison.Ordinal);
        panel = Train(TinyModels.Bert(folder), TinyModels.Labelled(folder), "--max_steps", "1", "--lr", "3e-3").Text;
        Assert.Contains("learning rate 0.003 linear\n", panel, StringComparison.Ordinal);
    }

    public void Dispose() => folder.Dispose();

    private sealed record Run(string Text, string Error, string Output)
    {
        public JsonNode Summary => JsonNode.Parse(File.ReadAllText(Path.Combine(Output, "summary.json")))!;

        public IEnumerable<string> Warnings => File.ReadAllLines(Path.Combine(Output, "log.jsonl"))
            .Select(l => JsonNode.Parse(l)!).Where(l => (string?)l["event"] == "warning")
            .Select(l => (string)l["message"]!);

        public string Report => File.ReadAllText(Path.Combine(Output, "report.html"));
    }

    private string Records(Func<int, string> line) =>
        folder.Write("records.jsonl", string.Concat(Enumerable.Range(0, 24).Select(i => line(i) + "\n")));

    private Run Train(string model, string data, params string[] more)
    {
        var output = folder[$"run{Guid.NewGuid():N}"];
        string[] length = more.Contains("--epochs") || more.Contains("--max_steps") ? [] : ["--epochs", "10"];
        var outcome = Command.Succeed(["train", "--model", model, "--data", data, "--output", output,
            "--backend", "reference", .. length, .. more]);
        return new(outcome.Out, outcome.Error, output);
    }

    private static void AssertNotLearned(Run run, params string[] reasons)
    {
        Assert.All(reasons, r => Assert.Contains(r, string.Join('\n', run.Warnings), StringComparison.Ordinal));
        Assert.All(run.Warnings, w => Assert.Contains(w, run.Error, StringComparison.Ordinal));
        Assert.Contains("not learned from the data. Try another --learning_rate", run.Error, StringComparison.Ordinal);
        Assert.False((bool)run.Summary["learned"]!);
        Assert.NotEmpty(run.Summary["not_learned"]!.AsArray());
        Assert.Contains("The run has not learned", run.Report, StringComparison.Ordinal);
    }

    private static bool IsLearned(Run run, string what)
    {
        Assert.True((bool)run.Summary["learned"]!, $"{what}: {run.Summary["not_learned"]!.ToJsonString()}");
        Assert.DoesNotContain("not learned", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("not learned", run.Report, StringComparison.Ordinal);
        return true;
    }
}
