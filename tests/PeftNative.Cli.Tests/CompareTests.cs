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
            "compare", "--model", TinyModels.Llama(folder), "--data", TinyModels.Prompts(folder), "--other_data",
            TinyModels.Prompts(folder, 20, "other.jsonl"),
            "--output", folder["out"], "--sizes", "4,12", "--budget", "2", "--batch_size", "4", "--continuations",
            "2", "--json",
        ];
        var first = Command.Succeed([.. call, "--methods", "lora,ia3,full", "--seeds", "1,2"]).Lines;
        var cells = first.Where(l => Text(l, "event") == "cell").ToList();
        Assert.Equal(13, cells.Count); // 3 methods, 2 sizes, 2 seeds, and the other task
        Assert.All(cells, c => Assert.False(c["reused"]!.GetValue<bool>()));
        foreach (var key in (string[])["trainable", "stored_bytes", "step_ms", "training_bytes", "knowledge_on",
            "metrics", "probe_sha256", "recipe"])
            Assert.All(cells, c => Assert.NotNull(c[key]));
        Assert.All(cells, c => Assert.True(c["off_is_identical"]!.GetValue<bool>()));
        Assert.Equal(5, first.Single(l => Text(l, "event") == "summary")["claims"]!.AsObject().Count);

        // Half of it is gone, as if the run had been ended; a method is new.
        var file = folder["out/results.json"];
        var results = JsonNode.Parse(File.ReadAllText(file))!.AsObject();
        results["cells"] = new JsonArray([.. results["cells"]!.AsArray().Take(6).Select(c => c!.DeepClone())]);
        File.WriteAllText(file, results.ToJsonString());
        var second = Command.Succeed([.. call, "--methods", "lora,ia3,full,bottleneck", "--seeds", "1,2"]).Lines.Where(
            l => Text(l, "event") == "cell").ToList();
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
        Assert.All(portability["adapters"]!.AsArray(),
            a => Assert.True(a!["is_as_trained"]!.GetValue<bool>() && a["base_is_intact"]!.GetValue<bool>()));
        Assert.Equal(6, portability["cross"]!.AsArray().Count);
    }

    [Fact]
    public void A_classifier_is_compared_and_its_report_needs_nothing_but_itself()
    {
        var outcome = Command.Succeed("compare", "--model", TinyModels.Bert(folder), "--data",
            TinyModels.Labelled(folder), "--output", folder["out"],
            "--sizes", "8", "--seeds", "1", "--budget", "2", "--batch_size", "4");
        Assert.Contains("accuracy @8", outcome.Out, StringComparison.Ordinal);
        foreach (var method in "lora ia3 prefix prompt p_tuning bottleneck full top_layers bitfit head".Split(' '))
            Assert.Matches($@"\n  {method} +\d", outcome.Out);
        var page = File.ReadAllText(folder["out/report.html"]);
        Assert.DoesNotMatch("<script|src=|href=|url\\(|@import|https?://", page);
        Assert.Contains("prefers-color-scheme:dark", page, StringComparison.Ordinal);
        Assert.Contains("width=device-width", page, StringComparison.Ordinal);
        // IA3's, which nobody gave
        Assert.Contains("target_modules key output.dense value, feedforward_modules output.dense", page,
            StringComparison.Ordinal);
        foreach (var tag in "div p span svg figure table tr td th i b body html".Split(' '))
            Assert.Equal(Regex.Count(page, $"<{tag}[ >]"), Regex.Count(page, $"</{tag}>"));
    }

    [Fact]
    public void An_encoder_decoder_is_compared_by_what_it_writes()
    {
        var outcome = Command.Succeed("compare", "--model", TinyModels.T5(folder), "--data", TinyModels.Sources(folder),
            "--output", folder["out"],
            "--sizes", "8", "--seeds", "1", "--budget", "2", "--batch_size", "4", "--continuations", "3");
        Assert.Contains("rougeL @8", outcome.Out, StringComparison.Ordinal);
        foreach (var method in "lora ia3 prefix prompt p_tuning bottleneck full top_layers".Split(' '))
            Assert.Matches($@"\n  {method} +\d", outcome.Out);
        var results = JsonNode.Parse(File.ReadAllText(folder["out/results.json"]))!;
        Assert.Equal("perplexity of what the base wrote of the same sources",
            results["facts"]!["knowledge"]!.GetValue<string>());
        Assert.All(results["cells"]!.AsArray(), c => Assert.True(c!["off_is_identical"]!.GetValue<bool>()));
        Assert.All(results["cells"]!.AsArray(), c => Assert.Equal(3, c!["continuations"]!.AsArray().Count));
        Assert.All(results["portability"]!["adapters"]!.AsArray(),
            a => Assert.True(a!["is_as_trained"]!.GetValue<bool>()));
    }

    [Fact]
    public void Methods_take_settings_of_their_own_and_a_kind_may_take_part_twice()
    {
        string[] call =
        [
            "compare", "--model", TinyModels.Llama(folder), "--data", TinyModels.Prompts(folder), "--output",
            folder["out"], "--sizes", "4", "--seeds", "1",
            "--budget", "1", "--continuations", "1", "--methods",
            "lora,lora-wide,prefix,prompt,bottleneck,top_layers", "--json",
        ];
        var plain = Cells([.. call]);
        Assert.Equal(plain["lora"]["trainable"]!.GetValue<long>(), plain["lora-wide"]["trainable"]!.GetValue<long>());
        var changed = Cells([.. call, "--method_settings",
            "lora-wide.r=16,lora-wide.lr=3e-3,prefix.num_virtual_tokens=5,prompt.prompt_tuning_init_text=count,"
                + "bottleneck.reduction_factor=4,top_layers.num_layers=2"]);
        long Trained(Dictionary<string, JsonObject> cells, string method) =>
            cells[method]["trainable"]!.GetValue<long>();
        Assert.True(changed["lora"]["reused"]!.GetValue<bool>());
        foreach (var method in (string[])["lora-wide", "prefix", "prompt", "bottleneck", "top_layers"])
            Assert.False(changed[method]["reused"]!.GetValue<bool>(), method);
        Assert.Equal(2 * Trained(changed, "lora"), Trained(changed, "lora-wide"));
        Assert.Equal(3e-3, changed["lora-wide"]["learning_rate"]!.GetValue<double>());
        Assert.Equal(Trained(plain, "prefix"), 4 * Trained(changed, "prefix"));
        Assert.True(Trained(changed, "bottleneck") > 2 * Trained(plain, "bottleneck"));
        Assert.True(Trained(changed, "top_layers") > Trained(plain, "top_layers"));

        var config = folder.Write("c.yaml",
            "method_settings:\n  lora-wide: {r: 16, lr: 3e-3}\n  lora: {target_modules: [q_proj, v_proj]}\n");
        var fromFile = Cells([.. call, "--config", config]);
        Assert.True(fromFile["lora-wide"]["reused"]!.GetValue<bool>());
        Assert.True(Trained(fromFile, "lora") < Trained(plain, "lora"));
        var settings = JsonNode.Parse(
            File.ReadAllText(folder["out/results.json"]))!["plan"]!["methods"]!["lora-wide"]!["settings"]!;
        Assert.Equal(16, settings["r"]!.GetValue<int>());

        static Dictionary<string, JsonObject> Cells(string[] args) =>
            Command.Succeed(args).Lines.Where(l => Text(l, "event") == "cell").ToDictionary(l => Text(l, "method")!);
    }

    [Theory]
    [InlineData("--method_settings", "lora.rr=4", "rr is no setting of the method lora")]
    [InlineData("--method_settings", "prefix.r=4", "r is no setting of the method prefix")]
    [InlineData("--method_settings", "lora.r=many", "must be a whole number")]
    [InlineData("--method_settings", "lora.r=0", "must be a whole number")]
    [InlineData("--method_settings", "r=4", "METHOD.KEY=X")]
    [InlineData("--method_settings", "lorra.r=4", "takes no part")]
    [InlineData("--method_settings", "lora.learning_rate=fast", "positive number")]
    [InlineData("--methods", "lora,lorra", "'lorra' is no method")]
    [InlineData("--learning_rates", "lora=fast", "positive number")]
    [InlineData("--learning_rates", "lorra=1e-3", "takes no part")]
    [InlineData("--sizes", "none", "whole number")]
    public void What_cannot_be_compared_is_said(string flag, string value, string message) => Assert.Contains(message,
        Command.Fail(2, "compare", "--model", TinyModels.Llama(folder), "--data", TinyModels.Prompts(folder),
            "--output", folder["out"], flag, value),
        StringComparison.Ordinal);

    [Fact]
    public void What_is_odd_about_the_base_and_an_adapter_is_said_once()
    {
        var model = TinyModels.Bert(folder);
        var config = Path.Combine(model, "config.json");
        File.WriteAllText(config, File.ReadAllText(config)
            .Replace("\"hidden_dropout_prob\":0.0", "\"hidden_dropout_prob\":0.1", StringComparison.Ordinal));
        var error = Command.Succeed("compare", "--model", model, "--data", TinyModels.Labelled(folder), "--output",
            folder["out"], "--sizes", "8", "--seeds", "1,2", "--budget", "1", "--methods", "lora,ia3",
            "--method_settings", "lora.modules_to_save=nosuch").Error;
        Assert.Single(Regex.Matches(error, "warning: lora: .*nosuch"));
        Assert.Single(Regex.Matches(error, "asks for hidden_dropout_prob 0.1, which is not applied"));
        Assert.DoesNotContain("ia3:", error, StringComparison.Ordinal);
    }

    [Fact]
    public void Damaged_results_are_not_overwritten()
    {
        folder.Write("out/results.json", """{"format": 1, "cells": [{"task": "x"}]}""");
        var message = Command.Fail(4, "compare", "--model", TinyModels.Llama(folder), "--data",
            TinyModels.Prompts(folder), "--output", folder["out"]);
        Assert.Contains("results cannot be read", message, StringComparison.Ordinal);
        Assert.Contains("\"task\": \"x\"", File.ReadAllText(folder["out/results.json"]), StringComparison.Ordinal);
    }

    private static string? Text(JsonObject line, string key) => line[key]?.ToString();

    private static string Key(JsonObject cell) => $"{cell["task"]} {cell["method"]} {cell["size"]} {cell["seed"]}";
}
