using System.Text.Json.Nodes;
using PeftNative.Cli.Output;
using Xunit;

namespace PeftNative.Cli.Tests;

/// <summary>Whole ways through the command: train, go on, evaluate, predict, generate, merge.</summary>
public sealed class RunTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_classifier_is_trained_measured_used_and_merged()
    {
        var (model, data, output) = (TinyModels.Bert(folder), TinyModels.Labelled(folder), folder["out"]);
        var trained = Command.Succeed("train", "--model", model, "--data", data, "--eval_data", data, "--output",
            output, "--epochs", "30",
            "--learning_rate", "0.02", "--target_modules", "all-linear", "--backend", "reference");
        Assert.Contains("labels      no 12, yes 12", trained.Out, StringComparison.Ordinal);

        var measured = Command.Succeed("eval", "--model", model, "--adapter", output, "--data", data, "--json",
            "--backend", "reference").Lines[0];
        Assert.True(measured["accuracy"]!.GetValue<double>() > 0.9, measured.ToJsonString());

        Command.Succeed("predict", "--model", model, "--adapter", output, "--data", data, "--output", folder["p.jsonl"],
            "--backend", "reference");
        var predictions = File.ReadAllLines(folder["p.jsonl"]).Select(l => JsonNode.Parse(l)!).ToList();
        Assert.Equal(24, predictions.Count);
        Assert.Equal("yes", predictions[0]["label"]!.GetValue<string>());
        Assert.Equal(1, predictions[1]["scores"]!.AsObject().Sum(s => s.Value!.GetValue<double>()), 5);

        var merged = Command.Succeed("merge", "--model", model, "--adapter", output, "--output", folder["merged"],
            "--json", "--backend", "reference").Lines[0];
        Assert.InRange(merged["largest_difference"]!.GetValue<double>(), 0, 1e-4);
        Assert.True(merged["largest_change"]!.GetValue<double>() > 0.1);
        var alone = Command.Succeed("eval", "--model", folder["merged"], "--data", data, "--json", "--backend",
            "reference").Lines[0];
        Assert.Equal(measured["loss"]!.GetValue<double>(), alone["loss"]!.GetValue<double>(), 4);
    }

    [Fact]
    public void A_tied_model_whose_embedding_is_trained_is_merged_into_one_of_two_matrices()
    {
        var (model, data, output) = (TinyModels.Llama(folder, tied: true), TinyModels.Prompts(folder), folder["out"]);
        var trained = Command.Succeed("train", "--model", model, "--data", data, "--output", output, "--max_steps",
            "20", "--learning_rate", "0.02",
            "--modules_to_save", "embed_tokens", "--backend", "reference");
        Assert.Contains("are one matrix in the base", trained.Error, StringComparison.Ordinal);
        var merged = Command.Succeed("merge", "--model", model, "--adapter", output, "--output", folder["merged"],
            "--backend", "reference");
        Assert.Contains("its config.json says tie_word_embeddings false", merged.Out, StringComparison.Ordinal);
        Assert.Equal(Loss("--model", model, "--adapter", output), Loss("--model", folder["merged"]), 1e-4);

        // A config.json that says tied does not undo it.
        var config = Path.Combine(folder["merged"], "config.json");
        File.WriteAllText(config, File.ReadAllText(config).Replace("\"tie_word_embeddings\": false",
            "\"tie_word_embeddings\": true", StringComparison.Ordinal));
        Assert.Equal(Loss("--model", model, "--adapter", output), Loss("--model", folder["merged"]), 1e-4);
        Assert.Contains("config.json says tie_word_embeddings", Command.Succeed("inspect", folder["merged"]).Error,
            StringComparison.Ordinal);

        double Loss(params string[] of) => Command.Succeed(["eval", "--data", data, "--json", "--backend",
            "reference", .. of]).Lines[0]["loss"]!.GetValue<double>();
    }

    [Fact]
    public void A_merge_that_its_type_cannot_hold_ends_with_exit_code_6_and_writes_nothing()
    {
        var (model, data, output) = (TinyModels.Llama(folder, tied: true), TinyModels.Prompts(folder), folder["out"]);
        Command.Succeed("train", "--model", model, "--data", data, "--output", output, "--max_steps", "1",
            "--learning_rate", "1e5", "--warmup_steps", "0",
            "--modules_to_save", "lm_head", "--backend", "reference");
        Assert.Contains("fp16 does not hold", Command.Fail(6, "merge", "--model", model, "--adapter", output,
            "--output", folder["merged"], "--dtype", "fp16",
            "--backend", "reference"), StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder["merged"]));
        Command.Succeed("merge", "--model", model, "--adapter", output, "--output", folder["merged"], "--backend",
            "reference");
    }

    [Fact]
    public void A_language_model_is_trained_and_generates_with_weighed_adapters()
    {
        var (model, data, output) = (TinyModels.Llama(folder), TinyModels.Prompts(folder), folder["out"]);
        Command.Succeed("train", "--model", model, "--data", data, "--val_size", "4", "--output", output, "--epochs",
            "2", "--lr", "1e-2", "--backend", "reference");
        string Generate(params string[] more) => Command.Succeed(
            ["generate", "--model", model, "--prompt", "3 and 4 is ", "--max_tokens", "6", "--json", "--backend",
                "reference", .. more]).Lines[0]["text"]!.GetValue<string>();
        Assert.Equal(Generate(), Generate("--adapter", output + ":0"));
        Assert.Equal(Generate("--adapter", output), Generate("--adapter", output + ":1.0"));
        Assert.Equal(Generate("--temperature", "1", "--seed", "3"), Generate("--temperature", "1", "--seed", "3"));
    }

    [Fact]
    public void An_encoder_decoder_is_trained_measured_used_and_merged()
    {
        var (model, data, output) = (TinyModels.T5(folder), TinyModels.Sources(folder), folder["out"]);
        Command.Succeed("train", "--model", model, "--data", data, "--eval_data", data, "--output", output, "--epochs",
            "20", "--lr", "3e-2", "--r", "8",
            "--lora_alpha", "16", "--target_modules", "all-linear", "--backend", "reference");
        Assert.Equal("SEQ_2_SEQ_LM",
            JsonNode.Parse(
                File.ReadAllText(Path.Combine(output, "adapter_config.json")))!["task_type"]!.GetValue<string>());
        string[] from = ["--model", model, "--adapter", output, "--backend", "reference"];
        var measured = Command.Succeed(["eval", "--data", data, "--max_tokens", "8", "--json", .. from]).Lines[0];
        foreach (var name in (string[])["exact_match", "rougeL", "token_accuracy"])
            Assert.True(measured[name]!.GetValue<double>() > 0.9, measured.ToJsonString());

        var predicted = Command.Succeed(["predict", "--data", data, "--max_tokens", "8", .. from]).Lines;
        Assert.Equal(["yes", "no"], predicted.Take(2).Select(l => l["prediction"]!.GetValue<string>()));
        Assert.Equal("yes",
            Command.Succeed(["generate", "--prompt", "up 1", "--max_tokens", "8", "--json",
                .. from]).Lines[0]["text"]!.GetValue<string>());

        Command.Succeed("merge", "--model", model, "--adapter", output, "--output", folder["merged"], "--backend",
            "reference");
        var alone = Command.Succeed("eval", "--model", folder["merged"], "--data", data, "--json", "--backend",
            "reference", "--max_tokens", "8").Lines[0];
        Assert.Equal(measured["loss"]!.GetValue<double>(), alone["loss"]!.GetValue<double>(), 4);
    }

    [Fact]
    public void Records_and_models_that_do_not_go_together_are_refused_with_a_remedy()
    {
        var sources = Command.Fail(2, "train", "--model", TinyModels.Llama(folder), "--data",
            TinyModels.Sources(folder), "--output", folder["out"]);
        Assert.Contains("no encoder", sources, StringComparison.Ordinal);
        Assert.Contains("--task causal_lm", sources, StringComparison.Ordinal);
        var labels = Command.Fail(2, "train", "--model", TinyModels.T5(folder), "--data", TinyModels.Labelled(folder),
            "--output", folder["out"]);
        Assert.Contains("turns one text into another", labels, StringComparison.Ordinal);
    }

    [Fact]
    public void A_prompt_may_be_piped_in()
    {
        var model = TinyModels.Llama(folder);
        var piped = Command.RunWith("hello", "generate", "--model", model, "--max_tokens", "3", "--backend",
            "reference");
        Assert.Equal(0, piped.Code);
        Assert.Equal(piped.Out, Command.Succeed("generate", "--model", model, "--max_tokens", "3", "--prompt", "hello",
            "--backend", "reference").Out);
    }

    [Fact]
    public void An_adapter_is_written_for_other_programs()
    {
        var (model, output) = (TinyModels.Llama(folder), folder["out"]);
        Command.Succeed("train", "--model", model, "--data", TinyModels.Prompts(folder), "--output", output, "--epochs",
            "1", "--backend", "reference");
        string[] export = ["export", "--model", model, "--adapter", output, "--json"];
        Assert.Equal(4, Command.Succeed([.. export, "--to", "gguf-lora", "--output",
            folder["a.gguf"]]).Lines[0]["modules"]!.GetValue<int>());
        Assert.Equal("GGUF"u8, File.ReadAllBytes(folder["a.gguf"]).AsSpan(0, 4));
        Command.Succeed([.. export, "--to", "mlx", "--output", folder["mlx"]]);
        Assert.True(File.Exists(Path.Combine(folder["mlx"], "adapters.safetensors")));
        Assert.Contains("gguf-lora", Command.Fail(2, [.. export, "--to", "gguf", "--output", folder["b"]]),
            StringComparison.Ordinal);
    }

    [Fact]
    public void One_adapter_is_made_of_several()
    {
        var (model, data) = (TinyModels.Llama(folder), TinyModels.Prompts(folder));
        foreach (var seed in (string[])["1", "2"])
            Command.Succeed("train", "--model", model, "--data", data, "--output", folder[seed], "--epochs", "1",
                "--lr", "1e-1", "--seed", seed, "--backend", "reference");
        string[] both = ["--adapter", folder["1"] + ":0.7", "--adapter", folder["2"] + ":0.3"];
        var line = Command.Succeed(
            ["merge", "--model", model, .. both, "--combination_type", "cat", "--output", folder["cat"], "--json",
                "--backend", "reference"]).Lines[0];
        Assert.Equal(16, line["r"]!.GetValue<int>()); // 8 and 8 side by side: exactly the weighted sum
        string Generate(params string[] adapters) => Command.Succeed(
            ["generate", "--model", model, "--prompt", "3 and 4 is ", "--max_tokens", "12", "--json", "--backend",
                "reference", .. adapters]).Lines[0]["text"]!.GetValue<string>();
        Assert.Equal(Generate(both), Generate("--adapter", folder["cat"]));
        Command.Succeed(["merge", "--model", model, .. both, "--combination_type", "ties", "--density", "0.5",
            "--output", folder["ties"], "--backend", "reference"]);
        Assert.NotEqual(Generate(both), Generate("--adapter", folder["ties"]));
        Assert.Contains("combination_type",
            Command.Fail(2, ["merge", "--model", model, .. both, "--combination_type", "tie", "--output", folder["x"]]),
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_conversation_uses_the_models_template_and_changes_adapters_between_questions()
    {
        var (model, data, output) = (TinyModels.Llama(folder), TinyModels.Prompts(folder), folder["tuned"]);
        Command.Succeed("train", "--model", model, "--data", data, "--output", output, "--epochs", "2", "--lr", "1e-1",
            "--backend", "reference");
        string[] chat = ["chat", "--model", model, "--adapter", output, "--max_tokens", "5", "--json", "--backend",
            "reference"];
        Assert.Contains("no chat template", Command.Fail(4, chat), StringComparison.Ordinal);

        File.WriteAllText(Path.Combine(model, "chat_template.jinja"),
            "{% for m in messages %}{{ m.role[0] }}:{{ m.content }};{% endfor %}{% if add_generation_prompt %}a:{% "
                + "endif %}");
        var outcome = Command.RunWith(
            "hi\n/adapter none\n/reset\nhi\n/adapter tuned\n/reset\nhi\nhi\n/adapter x\n/exit\nunheard\n", chat);
        Assert.Equal(0, outcome.Code);
        var answers = outcome.Lines;
        Assert.Equal(4, answers.Count);
        Assert.Equal([7, 7, 7], answers.Take(3).Select(a => a["prompt_tokens"]!.GetValue<int>())); // u:hi;a:
        Assert.NotEqual((string)answers[0]["answer"]!, (string)answers[1]["answer"]!);
        Assert.Equal((string)answers[0]["answer"]!, (string)answers[2]["answer"]!);
        // the second question sees the first and its answer
        Assert.True(answers[3]["prompt_tokens"]!.GetValue<int>() > 14);
        Assert.Contains("there is no adapter 'x'; there are tuned, none", outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void The_output_folder_has_everything_and_the_report_needs_nothing_else()
    {
        var output = folder["out"];
        Command.Succeed("train", "--model", TinyModels.Llama(folder), "--data", TinyModels.Prompts(folder),
            "--val_size", "0.2", "--output", output,
            "--epochs", "2", "--backend", "reference");
        foreach (var name in (string[])["adapter_config.json", "adapter_model.safetensors", "best",
            "config.resolved.yaml", "log.jsonl", "report.html", "summary.json"])
            Assert.True(Path.Exists(Path.Combine(output, name)), name);
        var page = File.ReadAllText(Path.Combine(output, "report.html"));
        Assert.Contains("<svg", page, StringComparison.Ordinal);
        Assert.Contains("prefers-color-scheme:dark", page, StringComparison.Ordinal);
        Assert.Contains("width=device-width", page, StringComparison.Ordinal);
        Assert.DoesNotContain("http", page, StringComparison.Ordinal);
        Assert.DoesNotContain("<script", page, StringComparison.Ordinal);
        Assert.Contains("A text before and after", page, StringComparison.Ordinal);
        var log = File.ReadAllLines(Path.Combine(output, "log.jsonl")).Select(l => JsonNode.Parse(l)!).ToList();
        Assert.Equal(6, log.Count(l => l["event"]!.GetValue<string>() == "step"));
        Assert.Equal(2, log.Count(l => l["event"]!.GetValue<string>() == "eval"));
    }

    [Fact]
    public void An_interrupted_run_goes_on_and_ends_as_if_nothing_had_happened()
    {
        string[] call = ["train", "--model", TinyModels.Llama(folder), "--data", TinyModels.Prompts(folder), "--epochs",
            "4", "--lora_dropout", "0.1", "--backend", "reference"];
        Command.Succeed([.. call, "--output", folder["whole"]]);

        var interrupted = InterruptAfter(5, [.. call, "--output", folder["cut"]]);
        Assert.Equal(130, interrupted.Code);
        Assert.Contains($"peftnative train --config {folder["cut"]}", interrupted.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(folder["cut"], "adapter_model.safetensors")));

        Command.Succeed("train", "--config", Path.Combine(folder["cut"], "config.resolved.yaml"));
        Assert.Equal(Bytes("whole"), Bytes("cut"));
        Assert.Equal(12, Steps("cut").Count);
        Assert.Equal(Steps("whole"), Steps("cut"));

        byte[] Bytes(string run) => File.ReadAllBytes(Path.Combine(folder[run], "adapter_model.safetensors"));
        List<string> Steps(string run) =>
            [.. File.ReadAllLines(Path.Combine(folder[run], "log.jsonl")).Select(l => JsonNode.Parse(l)!)
            .Where(l => l["event"]!.GetValue<string>() == "step")
            .Select(l => $"{l["step"]} {l["loss"]} {l["learning_rate"]}")];
    }

    [Fact]
    public void A_finished_run_is_not_trained_again_and_another_run_is_not_mixed_with_it()
    {
        string[] call = ["train", "--model", TinyModels.Llama(folder), "--data", TinyModels.Prompts(folder),
            "--max_steps", "2", "--output", folder["out"], "--backend", "reference"];
        Command.Succeed(call);
        Assert.Contains("This run is finished", Command.Succeed(call).Out, StringComparison.Ordinal);
        var error = Command.Fail(2, [.. call, "--lr", "0.5"]);
        Assert.Contains("another learning_rate: 0.002 there, 0.5 here", error, StringComparison.Ordinal);
        Assert.Contains("loss", Command.Succeed([.. call, "--lr", "0.5", "--resume", "never"]).Out,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Dropout_of_the_base_that_is_not_applied_is_said()
    {
        var (model, data) = (TinyModels.Bert(folder), TinyModels.Labelled(folder));
        string[] call = ["train", "--model", model, "--data", data, "--output", folder["out"], "--max_steps", "1",
            "--resume", "never", "--backend", "reference"];
        Assert.DoesNotContain("dropout", Command.Succeed(call).Error, StringComparison.Ordinal);
        var config = Path.Combine(model, "config.json");
        File.WriteAllText(config, File.ReadAllText(config)
            .Replace("\"hidden_dropout_prob\":0.0", "\"hidden_dropout_prob\":0.1", StringComparison.Ordinal));
        Assert.Contains("asks for hidden_dropout_prob 0.1, which is not applied", Command.Succeed(call).Error,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Check_says_what_train_would_do_and_trains_nothing_for_good()
    {
        var output = folder["out"];
        var checkedOut = Command.Succeed("check", "--model", TinyModels.Llama(folder), "--data",
            TinyModels.Prompts(folder), "--output", output, "--deep", "--backend", "reference");
        Assert.Contains("ok: train would start", checkedOut.Out, StringComparison.Ordinal);
        Assert.Contains("3 steps moved the weights", checkedOut.Out, StringComparison.Ordinal);
        Assert.False(Directory.Exists(output));
    }

    [Fact]
    public void Data_shows_trained_tokens_and_bad_lines()
    {
        var data = folder.Write("d.jsonl",
            "{\"prompt\":\"ab\",\"completion\":\"cd\"}\nnonsense\n{\"prompt\":\"x\",\"completion\":\"y\"}\n");
        var shown = Command.Succeed("data", "--model", TinyModels.Llama(folder), "--data", data).Out;
        Assert.Contains("2 records of the shape PromptCompletion", shown, StringComparison.Ordinal);
        Assert.Contains("d.jsonl:2", shown, StringComparison.Ordinal);
        Assert.Contains("⟦c⟧", shown, StringComparison.Ordinal);
        Assert.DoesNotContain("⟦a⟧", shown, StringComparison.Ordinal);
    }

    private static Outcome InterruptAfter(int steps, string[] args)
    {
        using var interruption = new Interruption();
        using var output = new StepCounter(steps, () => interruption.Request(130));
        using var error = new StringWriter { NewLine = "\n" };
        var code = Cli.Run([.. args, "--json"], new Terminal(output, error, TextReader.Null, interruption));
        return new Outcome(code, "", error.ToString());
    }

    /// <summary>Sees the steps go by in the output and interrupts after some.</summary>
    private sealed class StepCounter(int steps, Action interrupt) : StringWriter
    {
        private int seen;

        public override void WriteLine(string? value)
        {
            if (value!.Contains("\"event\":\"step\"", StringComparison.Ordinal) && ++seen == steps) interrupt();
        }
    }
}
