using PeftNative.Formats.Safetensors;
using Xunit;

namespace PeftNative.Cli.Tests;

/// <summary>
/// Adapters as things of their own, as a user meets them: doubts about one that is loaded, several on one base, chosen
/// record by record.
/// </summary>
public sealed class AdapterTests : IDisposable
{
    private static readonly string[] Reference = ["--backend", "reference"];

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void An_adapter_on_its_own_base_is_not_doubted()
    {
        var (model, adapter) = Classifier("out");
        foreach (var call in Uses(model, adapter))
            Assert.DoesNotContain("warning: the adapter", Command.Succeed(call).Error, StringComparison.Ordinal);
        var fit = Command.Succeed("inspect", adapter, "--model", model, "--json").Lines[0]["facts"]!["fits_model"]!;
        Assert.False(fit["changes_nothing"]!.GetValue<bool>());
        Assert.Empty(fit["doubts"]!.AsArray());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Adapters_at_one_module_merge_to_what_they_compute_together_in_any_order(bool isTied)
    {
        var (model, data) = (TinyModels.Llama(folder, tied: isTied), TinyModels.Prompts(folder));
        string[] train = ["train", "--model", model, "--data", data, "--max_steps", "3", "--lr", "0.1", .. Reference];
        Command.Succeed([.. train, "--output", folder["low"], "--target_modules", "lm_head,q_proj"]);
        Command.Succeed([.. train, "--output", folder["whole"], "--modules_to_save", "lm_head"]);
        Command.Succeed([.. train, "--output", folder["second"], "--modules_to_save", "lm_head", "--seed", "5"]);
        foreach (var order in (string[][])[["low", "whole"], ["whole", "low"], ["whole", "second", "low"]])
        {
            string[] use = ["--model", model, .. order.SelectMany(a => (string[])["--adapter", folder[a]])];
            var (loss, error) = Loss(use);
            var output = folder[string.Join('-', order)];
            var merged = Command.Succeed(["merge", .. use, "--output", output, .. Reference]);
            Assert.Equal(loss, Loss("--model", output).Loss, 1e-3);
            var clash = $"{folder["whole"]} and {folder["second"]} have a whole lm_head each";
            Assert.Equal(order.Length == 3, error.Contains(clash, StringComparison.Ordinal));
            Assert.Equal(order.Length == 3, merged.Error.Contains(clash, StringComparison.Ordinal));
        }

        (double Loss, string Error) Loss(params string[] use)
        {
            var outcome = Command.Succeed(["eval", .. use, "--data", data, "--json", .. Reference]);
            return (outcome.Lines[^1]["loss"]!.GetValue<double>(), outcome.Error);
        }
    }

    [Fact]
    public void An_adapter_of_another_base_of_the_same_shape_is_doubted_wherever_it_is_used()
    {
        var (model, adapter) = Classifier("out");
        var weights = Path.Combine(model, "model.safetensors");
        Rewrite(weights, (_, values) => Array.ConvertAll(values, v => v * 1.01f));
        foreach (var call in Uses(model, adapter))
            Assert.Contains("may be for another base: it was trained on", Command.Succeed(call).Error,
                StringComparison.Ordinal);
        Assert.Contains("another base", Command.Succeed("inspect", Path.Combine(adapter, "best"), "--model",
            model).Error, StringComparison.Ordinal);
    }

    /// <summary>
    /// Recipes leave the task_type of another model behind; the base knows whether it has an encoder.
    /// </summary>
    [Fact]
    public void A_task_type_that_the_base_does_not_have_is_doubted_and_the_base_decides()
    {
        var (model, adapter) = (TinyModels.Llama(folder), folder["adapter"]);
        Command.Succeed(["train", "--model", model, "--data", TinyModels.Prompts(folder), "--output", adapter,
            "--max_steps", "1", .. Reference]);
        var config = Path.Combine(adapter, "adapter_config.json");
        File.WriteAllText(config, File.ReadAllText(config).Replace("\"CAUSAL_LM\"", "\"SEQ_2_SEQ_LM\""));
        string[] call = ["generate", "--model", model, "--adapter", adapter, "--prompt", "a", "--max_tokens", "2",
            .. Reference];
        Assert.Contains("has the task_type SEQ_2_SEQ_LM, and a llama model is used as CAUSAL_LM",
            Command.Succeed(call).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void An_adapter_that_names_another_base_is_doubted()
    {
        var (model, adapter) = Classifier("out");
        File.Delete(Path.Combine(adapter, "base.json"));
        Directory.Move(model, folder["moved"]);
        Assert.Contains("goes by another name", Command.Succeed(Uses(folder["moved"], adapter)[0]).Error,
            StringComparison.Ordinal);
    }

    [Fact]
    public void An_adapter_that_changes_nothing_is_doubted_wherever_it_is_used()
    {
        var (model, adapter) = LanguageModel("out");
        Rewrite(Path.Combine(adapter, "adapter_model.safetensors"),
            (name, values) => name.Contains("lora_B", StringComparison.Ordinal) ? new float[values.Length] : values);
        string[][] calls =
        [
            ["generate", "--model", model, "--adapter", adapter, "--prompt", "a", "--max_tokens", "2", .. Reference],
            ["eval", "--model", model, "--adapter", adapter, "--data", TinyModels.Prompts(folder), .. Reference],
            ["predict", "--model", model, "--adapter", adapter, "--data", TinyModels.Prompts(folder), "--max_tokens",
                "2", .. Reference],
            ["merge", "--model", model, "--adapter", adapter, "--output", folder["merged"], .. Reference],
            ["inspect", adapter, "--model", model],
        ];
        foreach (var call in calls)
            Assert.Contains("changes nothing: its weights are those of an untrained one", Command.Succeed(call).Error,
                StringComparison.Ordinal);
    }

    [Fact]
    public void Wrong_shapes_and_unexpected_keys_are_errors_of_the_model_s_files()
    {
        var (model, adapter) = LanguageModel("out");
        var file = Path.Combine(adapter, "adapter_model.safetensors");
        Rewrite(file, (_, values) => values, name => name.Replace("layers.1", "layers.7", StringComparison.Ordinal));
        foreach (var verb in (string[][])[["inspect", adapter, "--model", model],
            ["generate", "--model", model, "--adapter", adapter, "--prompt", "a"]])
        {
            var error = Command.Fail(4, verb);
            Assert.Contains("unexpected: base_model.model.model.layers.7", error, StringComparison.Ordinal);
            Assert.Contains("missing: base_model.model.model.layers.1", error, StringComparison.Ordinal);
        }
        Rewrite(file, (_, values) => values, name => name.Replace("layers.7", "layers.1", StringComparison.Ordinal),
            flat: true);
        Assert.Contains("expected [", Command.Fail(4, "inspect", adapter, "--model", model), StringComparison.Ordinal);
        Assert.Contains("Only an adapter", Command.Fail(2, "inspect", model, "--model", model),
            StringComparison.Ordinal);
    }

    [Fact]
    public void Records_of_one_batch_use_different_adapters_or_none()
    {
        var (model, a) = LanguageModel("a");
        var b = Train(model, "b", "--method", "ia3", "--lr", "0.5");
        // cannot share a batch with others
        var c = Train(model, "c", "--method", "prefix", "--num_virtual_tokens", "3", "--lr", "0.5");
        string[] choices = ["a", "", "b", "a", "__base__", "b"], withPrefix = ["c", "a", "", "c", "b", ""];
        var alone = new Dictionary<string, List<string>>
        {
            [""] = Predict(model, []), ["a"] = Predict(model, [a]), ["b"] = Predict(model, [b]),
            ["c"] = Predict(model, [c]),
        };
        Assert.Equal(4, alone.Values.Select(v => string.Join('|', v)).Distinct().Count());
        foreach (var chosen in (string[][])[choices, withPrefix])
            foreach (var batch in (string[])["6", "4", "1"])
                Assert.Equal(chosen.Select((name, i) => alone[name == "__base__" ? "" : name][i]),
                    Predict(model, [$"a={a}", $"b={b}", $"c={c}"], chosen, "--batch_size", batch));
    }

    [Fact]
    public void Classifiers_chosen_by_records_answer_with_labels_of_their_own()
    {
        var (model, yes) = Classifier("yes");
        var data = folder.Write("other.jsonl", File.ReadAllText(TinyModels.Labelled(folder)).Replace("\"yes\"",
            "\"up\"", StringComparison.Ordinal).Replace("\"no\"", "\"down\"", StringComparison.Ordinal));
        Command.Succeed(["train", "--model", model, "--data", data, "--output", folder["up"], "--max_steps", "4",
            "--lr", "0.02", .. Reference]);
        var records = folder.Write("mixed.jsonl", string.Concat(Enumerable.Range(0, 6).Select(i =>
            $$"""{"text":"the film is {{(i < 3 ? "good" : "bad")}}","adapter":"{{(i % 2 == 0 ? "yes" : "up")}}"}"""
            + "\n")));
        var lines = Command.Succeed(["predict", "--model", model, "--adapter", $"yes={yes}", "--adapter",
            $"up={folder["up"]}", "--data", records, .. Reference]).Lines;
        var alone = ((string[])[yes, folder["up"]]).Select(
            d => Command.Succeed(["predict", "--model", model, "--adapter", d, "--data", records, .. Reference]).Lines)
                .ToList();
        for (var i = 0; i < 6; i++)
        {
            Assert.Equal(i % 2 == 0 ? "yes" : "up", lines[i]["adapter"]!.GetValue<string>());
            lines[i].Remove("adapter");
            Assert.Equal(alone[i % 2][i].ToJsonString(), lines[i].ToJsonString());
        }
    }

    [Fact]
    public void What_cannot_be_chosen_is_said()
    {
        var (model, a) = LanguageModel("a");
        var records = folder.Write("r.jsonl", """{"prompt":"a","adapter":"nosuch"}""" + "\n");
        string Fails(int code, params string[] adapters) =>
            Command.Fail(code, ["predict", "--model", model, "--data", records, .. Adapters(adapters), .. Reference]);
        var unknown = Fails(3, $"a={a}");
        Assert.Contains("'nosuch', which is not there", unknown, StringComparison.Ordinal);
        Assert.Contains("r.jsonl:1", unknown, StringComparison.Ordinal);
        Assert.Contains("There are: a;", unknown, StringComparison.Ordinal);
        Assert.Contains("others have none", Fails(2, $"a={a}", a), StringComparison.Ordinal);
        Assert.Contains("Two adapters are named 'a'", Fails(2, $"a={a}", $"a={a}"), StringComparison.Ordinal);
        Assert.Contains("nothing here chooses by names",
            Command.Fail(2, "generate", "--model", model, "--adapter", $"a={a}", "--prompt", "x"),
            StringComparison.Ordinal);
        Assert.Contains("is not looked at",
            Command.Succeed(["predict", "--model", model, "--data", records, "--max_tokens", "1", .. Reference]).Error,
            StringComparison.Ordinal);
    }

    // Every verb that uses an adapter of a classifier.
    private string[][] Uses(string model, string adapter) =>
    [
        ["eval", "--model", model, "--adapter", adapter, "--data", TinyModels.Labelled(folder), .. Reference],
        ["predict", "--model", model, "--adapter", adapter, "--data", TinyModels.Labelled(folder), .. Reference],
        ["merge", "--model", model, "--adapter", adapter, "--output", folder["merged" + Guid.NewGuid()], .. Reference],
        ["inspect", adapter, "--model", model],
    ];

    private (string Model, string Adapter) Classifier(string name)
    {
        var (model, data) = (TinyModels.Bert(folder), TinyModels.Labelled(folder));
        Command.Succeed(["train", "--model", model, "--data", data, "--eval_data", data, "--output", folder[name],
            "--max_steps", "4", "--lr", "0.02", .. Reference]);
        return (model, folder[name]);
    }

    private (string Model, string Adapter) LanguageModel(string name)
    {
        var model = TinyModels.Llama(folder);
        return (model, Train(model, name, "--lr", "0.1"));
    }

    private string Train(string model, string name, params string[] more)
    {
        Command.Succeed(["train", "--model", model, "--data", TinyModels.Prompts(folder), "--output", folder[name],
            "--max_steps", "4", .. more, .. Reference]);
        return folder[name];
    }

    private List<string> Predict(string model, string[] adapters, string[]? chosen = null, params string[] more)
    {
        string Choice(int i) => chosen?[i] is { Length: > 0 } name ? $", \"adapter\": \"{name}\"" : "";
        var records = folder.Write("records.jsonl", string.Concat(Enumerable.Range(0, 6).Select(i =>
            $$"""{"prompt":"{{i}} and {{2 * i}} is "{{Choice(i)}}}""" + "\n")));
        return [.. Command.Succeed(["predict", "--model", model, "--data", records, "--max_tokens", "6",
            .. Adapters(adapters), .. more, .. Reference])
            .Lines.Select(l => l["prediction"]!.GetValue<string>())];
    }

    private static IEnumerable<string> Adapters(string[] adapters) =>
        adapters.SelectMany(a => (string[])["--adapter", a]);

    private static void Rewrite(string path, Func<string, float[], float[]> change, Func<string, string>? rename = null,
        bool flat = false)
    {
        var writer = SafetensorsWriter.ForPyTorch();
        using (var file = SafetensorsFile.Open(path))
            foreach (var tensor in file.Tensors)
            {
                var values = new float[tensor.ElementCount];
                file.ReadAs(tensor, values);
                writer.Add(rename?.Invoke(tensor.Name) ?? tensor.Name, flat ? [values.Length] : tensor.Shape.AsSpan(),
                    change(tensor.Name, values));
            }
        writer.Save(path);
    }
}
