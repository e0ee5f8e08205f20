using System.Text.Json.Nodes;
using PeftNative.Lab.Benchmarking;
using PeftNative.Lab.Benchmarking.Operations;
using PeftNative.Peft;
using Xunit;

namespace PeftNative.Cli.Tests;

public class BenchTests
{
    private static readonly string[] Tiny =
        ["--hidden", "16", "--layers", "1", "--heads", "2", "--kv-heads", "1", "--ffn", "24", "--vocab", "33",
            "--batch", "2", "--seq", "8", "--steps", "2", "--warmup", "1"];

    public static TheoryData<string> Operations => [.. OperationBenchmark.All.Select(o => o.Name)];

    [Theory]
    [MemberData(nameof(Operations))]
    public void Every_operation_is_timed_in_each_direction(string name)
    {
        string[] sizes = [.. OperationBenchmark.Find(name).Sizes.SelectMany(
            s => new[] { "--" + s.Key, s.Key.EndsWith("heads", StringComparison.Ordinal) ? "1" : "6" })];
        var lines = Command.Succeed(["bench", "op", name, .. sizes, "--steps", "3", "--json", "--backend",
            "reference"]).Lines;
        Assert.NotEmpty(lines);
        Assert.All(lines, l =>
        {
            Assert.True(l["ms"]!.GetValue<double>() > 0);
            Assert.True(l["rate"]!.GetValue<double>() > 0);
            Assert.InRange(l["share_of_peak"]!.GetValue<double>(), 0, 100);
            Assert.Equal(3, l["rounds_ms"]!.AsArray().Count);
        });
    }

    [Fact]
    public void The_line_of_a_step_has_exactly_the_agreed_keys()
    {
        var line = Assert.Single(Command.Succeed(["bench", "step", .. Tiny, "--json"]).Lines);
        Assert.Equal(["peer", "backend", "method", "dtype", "targets", "trainable", "step_ms", "tokens_per_s",
            "peak_rss_mb", "peak_device_mb", "loss"], line.Select(p => p.Key));
    }

    public static TheoryData<string> StepMethods => [.. Methods.All.SelectMany(m => m.Names)];

    [Theory]
    [MemberData(nameof(StepMethods))]
    public void A_step_takes_every_method_that_its_model_has_a_place_for(string method)
    {
        string[] call = ["bench", "step", .. Tiny, "--method", method, "--virtual_tokens", "3", "--json"];
        if (method is "head" or "bitfit") Command.Fail(2, call); // a language model without biases
        else Assert.True(Assert.Single(Command.Succeed(call).Lines)["trainable"]!.GetValue<long>() > 0);
    }

    [Theory]
    [InlineData("train", 2)]
    [InlineData("generate", 4)]
    public void Loops_are_timed_in_tokens_per_second(string what, int count)
    {
        var lines = Command.Succeed(["bench", what, .. Tiny, "--new_tokens", "2", "--json"]).Lines;
        Assert.Equal(count, lines.Count);
        Assert.All(lines, l => Assert.True(l["tokens_per_s"]!.GetValue<double>() > 0));
    }

    [Fact]
    public void Every_law_of_growth_is_fitted()
    {
        var lines = Command.Succeed(["bench", "growth", .. Tiny, "--json"]).Lines;
        Assert.Equal(["tokens", "layers", "rank", "targets", "prompt", "prefix", "padding", "labels", "frozen"],
            lines.Select(l => l["law"]!.GetValue<string>()));
    }

    [Fact]
    public void A_table_shows_a_peer_and_says_which_it_skipped()
    {
        const string Fake = "fake=printf '{\"step_ms\": 2.5, \"peak_rss_mb\": 7}\\n' #";
        if (OperatingSystem.IsWindows()) Assert.Skip("the made-up peer is a shell command");
        var shown = Command.Succeed("bench", "table", "--filter", "nothing has this name", "--peer", Fake);
        Assert.Contains("fake ms", shown.Out, StringComparison.Ordinal);
        Assert.Contains("peaks of", shown.Out, StringComparison.Ordinal);
        Assert.Contains("at the end: peaks of", shown.Out, StringComparison.Ordinal);
    }

    [Fact]
    public void Reports_are_written_and_compared()
    {
        using var folder = new TemporaryFolder();
        Save(folder["a.json"], new Measurement("same", [5, 5.1, 5.2, 5.05, 5.15]),
            new Measurement("faster", [5, 5.1, 5.2, 5.05, 5.15]));
        Save(folder["b.json"], new Measurement("same", [5.12, 5.08, 5.11, 5.02, 5.2]),
            new Measurement("faster", [3, 3.1, 3.2, 3.05, 3.15]));
        var lines = Command.Succeed("bench", "--compare", folder["a.json"], folder["b.json"], "--json").Lines;
        Assert.Equal(["same", "faster"], lines.Select(l => l["verdict"]!.GetValue<string>()));
        var peaks = new MachinePeaks(100, 200, 20, 2);
        Assert.False(MeasurementComparison.MachineDiffers(peaks, peaks with { Fp32 = 95 })
            || MeasurementComparison.MachineDiffers(null, peaks));
        Save(folder["slow.json"], peaks with { Reading = 12 }, new Measurement("same", [5, 5.1, 5.2, 5.05, 5.15]));
        Save(folder["fast.json"], peaks, new Measurement("same", [5, 5.1, 5.2, 5.05, 5.15]));
        Assert.Contains("the machine was not the same for both",
            Command.Succeed("bench", "--compare", folder["slow.json"], folder["fast.json"]).Error,
            StringComparison.Ordinal);
        Assert.Contains("no report", Command.Fail(3, "bench", "--compare", folder.Write("c.json", "{}"),
            folder["b.json"]), StringComparison.Ordinal);

        Command.Succeed(["bench", "step", .. Tiny, "--output", folder["step.json"], "--markdown", folder["step.md"]]);
        Assert.Equal(2,
            JsonNode.Parse(File.ReadAllText(folder["step.json"]))!["measurements"]![0]!["rounds_ms"]!.AsArray().Count);
        Assert.Contains("| step |", File.ReadAllText(folder["step.md"]), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("bench")]
    [InlineData("bench", "sleep")]
    [InlineData("bench", "op", "sleep")]
    [InlineData("bench", "step", "more")]
    [InlineData("bench", "table", "--peer", "nameless")]
    public void What_makes_no_sense_is_refused(params string[] args) => Command.Fail(2, args);

    [Fact]
    public void The_rank_sum_test_gives_the_published_probabilities()
    {
        // Mann and Whitney's exact distribution: complete separation of 5 and 5 values has 2 of 252 ways.
        Assert.Equal(2.0 / 252, MeasurementComparison.RankSumProbability([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]), 1e-12);
        Assert.Equal(1, MeasurementComparison.RankSumProbability([1, 4], [2, 3]), 1e-12);
        // Above 20 values the normal approximation: U = 0 of 12 x 12 has z = 71.5 / √300.
        var separate = MeasurementComparison.RankSumProbability([.. Enumerable.Range(0, 12).Select(i => (double)i)],
            [.. Enumerable.Range(20, 12).Select(i => (double)i)]);
        Assert.Equal(3.66e-5, separate, 1e-6);
    }

    private static void Save(string path, params Measurement[] measurements) => Save(path, null, measurements);

    private static void Save(string path, MachinePeaks? peaks, params Measurement[] measurements) =>
        File.WriteAllText(path, new BenchmarkReport("a machine", "a command", peaks, measurements).ToJson()
            .ToJsonString());
}
