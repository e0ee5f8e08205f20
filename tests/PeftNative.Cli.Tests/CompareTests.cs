using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Xunit;

namespace PeftNative.Cli.Tests;

/// <summary>The verb compare on models that train in a second.</summary>
public sealed class CompareTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_language_model_is_compared_and_the_run_goes_on_where_it_was()
    {
        string[] call =
        [
            "compare", "--model", TinyModels.Llama(folder), "--data", TinyModels.Prompts(folder), "--other_data", TinyModels.Prompts(folder, 20, "other.jsonl"),
            "--output", folder["out"], "--sizes", "4,12", "--budget", "2", "--batch_size", "4", "--continuations", "2", "--json",
        ];
        var first = Command.Succeed([.. call, "--methods", "lora,ia3,full", "--seeds", "1,2"]).Lines;
        var cells = first.Where(l => Text(l, "event") == "cell").ToList();
        Assert.Equal(13, cells.Count); // 3 methods, 2 sizes, 2 seeds, and the other task
        Assert.All(cells, c => Assert.False(c["reused"]!.GetValue<bool>()));
        foreach (var key in (string[])["trainable", "stored_bytes", "step_ms", "training_bytes", "knowledge_on", "metrics", "probe_sha256", "recipe"])
            Assert.All(cells, c => Assert.NotNull(c[key]));
        Assert.All(cells, c => Assert.True(c["off_is_identical"]!.GetValue<bool>()));
        Assert.Equal(5, first.Single(l => Text(l, "event") == "summary")["claims"]!.AsObject().Count);

        // Half of it is gone, as if the run had been ended; a method is new.
        var file = folder["out/results.json"];
        var results = JsonNode.Parse(File.ReadAllText(file))!.AsObject();
        results["cells"] = new JsonArray([.. results["cells"]!.AsArray().Take(6).Select(c => c!.DeepClone())]);
        File.WriteAllText(file, results.ToJsonString());
        var second = Command.Succeed([.. call, "--methods", "lora,ia3,full,bottleneck", "--seeds", "1,2"]).Lines.Where(l => Text(l, "event") == "cell").ToList();
        Assert.Equal(17, second.Count);
        Assert.Equal(6, second.Count(c => c["reused"]!.GetValue<bool>()));
        foreach (var cell in second.Where(c => Text(c, "method") != "bottleneck"))
        {
            var old = cells.Single(c => Key(c) == Key(cell));
            Assert.Equal(Text(old, "probe_sha256"), Text(cell, "probe_sha256"));
        }
        var portability = JsonNode.Parse(File.ReadAllText(file))!["portability"]!;
        Assert.True(portability["base_files_are_intact"]!.GetValue<bool>());
        Assert.Equal(4, portability["adapters"]!.AsArray().Count);
        Assert.All(portability["adapters"]!.AsArray(), a => Assert.True(a!["is_as_trained"]!.GetValue<bool>() && a["base_is_intact"]!.GetValue<bool>()));
        Assert.Equal(6, portability["cross"]!.AsArray().Count);
    }

    [Fact]
    public void A_classifier_is_compared_and_its_report_needs_nothing_but_itself()
    {
        var outcome = Command.Succeed("compare", "--model", TinyModels.Bert(folder), "--data", TinyModels.Labelled(folder), "--output", folder["out"],
            "--sizes", "8", "--seeds", "1", "--budget", "2", "--batch_size", "4");
        Assert.Contains("accuracy @8", outcome.Out, StringComparison.Ordinal);
        foreach (var method in "lora ia3 prefix prompt p_tuning bottleneck full top_layers bitfit head".Split(' '))
            Assert.Matches($@"\n  {method} +\d", outcome.Out);
        var page = File.ReadAllText(folder["out/report.html"]);
        Assert.DoesNotMatch("<script|src=|href=|url\\(|@import|https?://", page);
        Assert.Contains("prefers-color-scheme:dark", page, StringComparison.Ordinal);
        Assert.Contains("width=device-width", page, StringComparison.Ordinal);
        foreach (var tag in "div p span svg figure table tr td th i b body html".Split(' '))
            Assert.Equal(Regex.Count(page, $"<{tag}[ >]"), Regex.Count(page, $"</{tag}>"));
    }

    [Theory]
    [InlineData("--methods", "lora,lorra", "'lorra' is no method")]
    [InlineData("--learning_rates", "lora=fast", "positive number")]
    [InlineData("--learning_rates", "lorra=1e-3", "takes no part")]
    [InlineData("--sizes", "none", "whole number")]
    public void What_cannot_be_compared_is_said(string flag, string value, string message) => Assert.Contains(message,
        Command.Fail(2, "compare", "--model", TinyModels.Llama(folder), "--data", TinyModels.Prompts(folder), "--output", folder["out"], flag, value),
        StringComparison.Ordinal);

    [Fact]
    public void Damaged_results_are_not_overwritten()
    {
        folder.Write("out/results.json", """{"format": 1, "cells": [{"task": "x"}]}""");
        var message = Command.Fail(4, "compare", "--model", TinyModels.Llama(folder), "--data", TinyModels.Prompts(folder), "--output", folder["out"]);
        Assert.Contains("results cannot be read", message, StringComparison.Ordinal);
        Assert.Contains("\"task\": \"x\"", File.ReadAllText(folder["out/results.json"]), StringComparison.Ordinal);
    }

    private static string? Text(JsonObject line, string key) => line[key]?.ToString();

    private static string Key(JsonObject cell) => $"{cell["task"]} {cell["method"]} {cell["size"]} {cell["seed"]}";
}
