using System.Text.Json.Nodes;
using Xunit;

namespace PeftNative.Cli.Tests;

/// <summary>A search for a learning rate: what it costs, what it says, and that it learns where the usual one
/// fails.</summary>
public sealed class FindRateTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("lora")]
    [InlineData("full")]
    [InlineData("prompt")]
    public void A_search_takes_less_than_a_quarter_of_the_run_and_says_what_it_tried(string method)
    {
        var (output, search) = Train("--method", method, "--max_steps", "400");
        var probes = search["probes"]!.AsArray();
        var steps = probes.Sum(p => (int)p!["steps"]!);
        Assert.InRange(steps, 48, 100);
        Assert.Equal(steps, (int)search["steps"]!);
        Assert.True(probes.Select(p => (double)p!["learning_rate"]!).Distinct().Count() >= 3);
        var chosen = (double)search["learning_rate"]!;
        var first = File.ReadAllLines(Path.Combine(output, "log.jsonl")).Select(l => JsonNode.Parse(l)!)
            .First(l => (string?)l["event"] == "step");
        Assert.Equal(chosen, (double)first["learning_rate"]!, 1e-9 * chosen);
        Assert.Contains("losses of rates", File.ReadAllText(Path.Combine(output, "report.html")),
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_rate_that_is_better_than_the_usual_one_by_far_is_found()
    {
        // With so small a scale the usual rate of LoRA does next to nothing, and the head alone tells nothing apart.
        var (_, search) = Train("--max_steps", "400", "--lora_alpha", "0.01", "--batch_size", "24");
        Assert.True((double)search["learning_rate"]! > 1e-3, search.ToJsonString());
        var finalists = search["probes"]!.AsArray().GroupBy(p => (int)p!["steps"]!).MaxBy(g => g.Key)!.ToList();
        var best = finalists.MinBy(p => (double)p!["loss"]!)!;
        Assert.Equal(Math.Sqrt((int)best["steps"]! / 400.0) * (double)best["learning_rate"]!,
            (double)search["learning_rate"]!, 0.05 * (double)search["learning_rate"]!);
        Assert.Contains("by more than chance", (string)search["reason"]!, StringComparison.Ordinal);
    }

    [Fact]
    public void A_short_run_keeps_the_usual_rate_and_says_so()
    {
        var (_, search) = Train("--max_steps", "60");
        Assert.Empty(search["probes"]!.AsArray());
        Assert.Contains("too little to try rates", (string)search["reason"]!, StringComparison.Ordinal);
    }

    [Fact]
    public void A_rate_of_ones_own_excludes_a_search() => Assert.Contains("exclude each other", Command.Fail(2, "train",
        "--model", TinyModels.Bert(folder), "--data", TinyModels.Labelled(folder), "--output", folder["o"],
        "--find_rate", "--lr", "1e-3", "--backend", "reference"), StringComparison.Ordinal);

    [Fact]
    public void A_run_that_goes_on_keeps_the_rate_that_it_was_begun_with()
    {
        var (output, search) = Train("--max_steps", "400", "--save_steps", "100");
        File.Delete(Path.Combine(output, "summary.json"));
        var again = Command.Succeed(["train", "--model", folder["bert"], "--data", folder["labelled.jsonl"], "--output",
            output, "--backend", "reference", "--json", "--find_rate", "--max_steps", "400", "--save_steps", "100"]);
        Assert.DoesNotContain(again.Lines, l => (string?)l["event"] == "find_rate");
        Assert.Contains("goes on from", again.Error, StringComparison.Ordinal);
        var config = File.ReadAllText(Path.Combine(output, "config.resolved.yaml"));
        Assert.Contains($"learning_rate: {search["learning_rate"]!.ToJsonString()}", config, StringComparison.Ordinal);
        Assert.DoesNotContain("find_rate", config, StringComparison.Ordinal);
    }

    private (string Output, JsonObject Search) Train(params string[] more)
    {
        var output = folder[$"run{Guid.NewGuid():N}"];
        var outcome = Command.Succeed(["train", "--model", TinyModels.Bert(folder), "--data",
            TinyModels.Labelled(folder), "--output", output, "--backend", "reference", "--json", "--find_rate",
            .. more]);
        return (output, Assert.Single(outcome.Lines, l => (string?)l["event"] == "find_rate"));
    }
}
