using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Formats.Safetensors;
using Xunit;

namespace PeftNative.Cli.Tests;

/// <summary>The text and the exit code of every kind of error, as a user meets them.</summary>
public sealed class ErrorTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void An_unknown_verb_names_the_nearest() =>
        Expect(2, ["trian"], "'trian' is no verb of peftnative.", "Did you mean train?");

    [Fact]
    public void An_unknown_flag_names_the_nearest() =>
        Expect(2, ["train", "--modle", "x"], "'modle' is no flag of peftnative train.", "Did you mean --model?");

    [Fact]
    public void A_missing_flag_is_named() =>
        Expect(2, ["train", "--model", "x"], "--data is missing.", "Give --data FILE");

    [Fact]
    public void A_missing_argument_is_named() => Expect(2, ["inspect"], "PATH is missing.", "without a flag");

    [Fact]
    public void A_flag_without_a_value_is_named() =>
        Expect(2, ["inspect", "x", "--diff"], "--diff has no value.", "Write --diff PATH.");

    [Fact]
    public void A_flag_given_twice_is_named() =>
        Expect(2, ["train", "--model", "a", "--model", "b"], "--model is given 2 times.", "Give it once.");

    [Fact]
    public void A_word_too_many_is_named() =>
        Expect(2, ["inspect", "a", "b"], "'b' stands where nothing is expected.", "Give one PATH only.");

    [Fact]
    public void An_impossible_number_is_named() =>
        Expect(2, ["train", "--model", "a", "--data", "b", "--batch_size", "0"],
            "--batch_size must be a whole number from 1", "not '0'", "Examples computed together");

    [Fact]
    public void An_unknown_word_names_the_nearest() =>
        Expect(2, ["train", "--model", "a", "--data", "b", "--method", "lra"], "--method knows no 'lra'.",
            "Did you mean 'lora'?");

    [Fact]
    public void A_key_of_another_method_is_refused() =>
        Expect(2, Train("--method", "full", "--r", "4"), "r is no setting of the method full.", "It has none.");

    [Fact]
    public void A_missing_configuration_file_is_named() =>
        Expect(2, ["train", "--config", "nosuch.yaml"], "no such configuration file", "nosuch.yaml");

    [Fact]
    public void Modules_that_match_nothing_list_what_there_is() =>
        Expect(2, Train("--target_modules", "q_prj"), "'q_prj' matched no module", "q_proj");

    [Fact]
    public void Missing_data_is_a_data_error() =>
        Expect(3, ["train", "--model", TinyModels.Llama(folder), "--data", "nosuch.jsonl"],
            "There is no such data file", "nosuch.jsonl");

    [Fact]
    public void A_broken_line_is_named_with_its_number()
    {
        var data = folder.Write("broken.jsonl", "{\"text\":\"a\"}\n{\"text\":\n");
        Expect(3, ["train", "--model", TinyModels.Llama(folder), "--data", data], "broken.jsonl", "2");
    }

    [Fact]
    public void Records_of_no_known_shape_list_the_shapes()
    {
        var data = folder.Write("odd.jsonl", "{\"colour\":\"a\",\"shape\":\"b\"}\n");
        Expect(3, ["data", "--data", data], "colour, shape are no known shape", "prompt + completion", "columns");
    }

    [Fact]
    public void Records_without_anything_to_learn_say_why()
    {
        var data = folder.Write("long.jsonl", $$"""{"prompt":"{{new string('x', 300)}}","completion":"y"}""" + "\n");
        Expect(3, ["train", "--model", TinyModels.Llama(folder), "--data", data, "--max_seq_length", "32"], "cut off",
            "max_seq_length");
    }

    [Fact]
    public void Many_records_that_are_cut_off_are_warned_of()
    {
        var data = folder.Write("long.jsonl",
            string.Concat(Enumerable.Repeat($$"""{"prompt":"a","completion":"{{new string('x', 80)}}"}""" + "\n", 10)));
        var outcome = Command.Succeed("check", "--model", TinyModels.Llama(folder), "--data", data, "--max_seq_length",
            "32", "--backend", "reference");
        Assert.Contains("warning: 100.0 % of the examples are cut off; a larger max_seq_length keeps them whole.",
            outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void An_adapter_that_lacks_weights_is_refused()
    {
        var adapter = TrainedAdapter();
        var file = Path.Combine(adapter, "adapter_model.safetensors");
        var writer = SafetensorsWriter.ForPyTorch();
        using (var whole = SafetensorsFile.Open(file))
            foreach (var tensor in whole.Tensors.Skip(1))
                writer.Add(tensor.Name, tensor.Type, tensor.Shape.AsSpan(), whole.Bytes(tensor).ToArray());
        writer.Save(file);
        Expect(4, ["generate", "--model", folder["llama"], "--adapter", adapter, "--prompt", "a"], "does not fit",
            "missing: base_model.model.model.layers.0");
    }

    [Fact]
    public void Labels_for_a_language_model_s_encoder_are_asked_for() =>
        Expect(2, ["train", "--model", TinyModels.Bert(folder), "--data", TinyModels.Prompts(folder)],
            "A bert model cannot learn to continue texts", "labels");

    [Fact]
    public void An_unsupported_architecture_lists_the_supported_ones()
    {
        folder.Write("odd/config.json", """{"model_type":"mamba"}""");
        Expect(4, ["train", "--model", folder["odd"], "--data", TinyModels.Prompts(folder)],
            "'mamba' is not supported", "llama");
    }

    [Fact]
    public void A_git_lfs_pointer_is_recognised()
    {
        var model = TinyModels.Llama(folder);
        File.WriteAllText(Path.Combine(model, "model.safetensors"),
            "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n");
        Expect(4, ["generate", "--model", model, "--prompt", "a"], "git-lfs pointer", "git lfs pull");
    }

    [Fact]
    public void A_cut_weights_file_tells_both_sizes()
    {
        var file = Path.Combine(TinyModels.Llama(folder), "model.safetensors");
        var bytes = File.ReadAllBytes(file);
        File.WriteAllBytes(file, bytes[..^100]);
        Expect(4, ["inspect", file], "The file is truncated", "need", "model.safetensors");
    }

    [Fact]
    public void A_web_page_saved_as_json_is_recognised()
    {
        var model = TinyModels.Llama(folder);
        File.WriteAllText(Path.Combine(model, "config.json"), "<!DOCTYPE html><html></html>");
        Expect(4, ["generate", "--model", model, "--prompt", "a"], "HTML page", "config.json");
    }

    [Fact]
    public void An_adapter_of_another_base_lists_what_does_not_fit()
    {
        var adapter = TrainedAdapter();
        var other = TinyModels.Llama(folder, "wider");
        var config = Path.Combine(other, "config.json");
        File.WriteAllText(config, File.ReadAllText(config).Replace("\"num_hidden_layers\":2", "\"num_hidden_layers\":1",
            StringComparison.Ordinal));
        Expect(4, ["generate", "--model", other, "--adapter", adapter, "--prompt", "a"], "does not fit",
            "unexpected: base_model.model.model.layers.1");
    }

    [Fact]
    public void A_folder_that_is_no_adapter_is_named() =>
        Expect(4, ["generate", "--model", TinyModels.Llama(folder), "--adapter", folder.Root, "--prompt", "a"],
            "has no adapter_config.json", "saved adapter");

    [Fact]
    public void A_missing_path_is_a_disk_error() =>
        Expect(5, ["inspect", folder["nosuch"]], "no such file or folder", "Check the path");

    [Fact]
    public void A_folder_that_cannot_be_made_is_a_disk_error() =>
        Expect(5, Train("--output", Path.Combine(folder.Write("file", ""), "below"), "--max_steps", "1"), "file");

    [Fact]
    public void Numbers_that_are_not_finite_stop_the_run_and_name_step_and_records() =>
        Expect(6, Train("--output", folder["nan"], "--lr", "1e300", "--max_steps", "20"), "at step", "records",
            "Lower the learning rate");

    [Fact]
    public void Merging_into_a_full_folder_is_refused() =>
        Expect(2, ["merge", "--model", TinyModels.Llama(folder), "--adapter", TrainedAdapter(), "--output",
            folder.Root], "would delete what the folder holds", "empty folder");

    [Theory]
    [InlineData("cuda")]
    [InlineData("ilgpu")]
    public void A_backend_that_is_absent_says_why_and_one_that_is_there_misses_its_hundredth_device(string name)
    {
        var status = Machine.Survey().Single(b => b.Name == name);
        if (status.IsAvailable) Expect(2, Train("--backend", name, "--device", "99"), "device", "99");
        else Expect(2, Train("--backend", name), $"'{name}' cannot be used here: {status.Detail}", "Available: ");
    }

    [Fact]
    public void Too_little_memory_has_its_own_code() => Assert.Equal(7, Print(new InsufficientMemoryException()).Code);

    [Fact]
    public void File_errors_of_the_system_are_disk_errors()
    {
        Assert.Equal(5, Print(new IOException("gone")).Code);
        Assert.Equal(5, Print(new UnauthorizedAccessException("no")).Code);
    }

    [Theory]
    [InlineData(130)]
    [InlineData(143)]
    public void An_interruption_keeps_its_signal_s_code(int code) =>
        Assert.Equal(code, Print(new OperationCanceledException(),
            terminal => terminal.Interruption.Request(code)).Code);

    [Fact]
    public void A_mistake_of_ours_is_one_line_and_how_to_report_it()
    {
        var (code, text) = Print(new InvalidOperationException("odd"));
        Assert.Equal(1, code);
        Assert.Equal("error: internal error: InvalidOperationException: odd\n"
            + "to do: Please report it with the command you gave and the output of 'peftnative env'. --verbose shows "
            + "where it happened.\n", text);
    }

    [Fact]
    public void Verbose_shows_where_a_mistake_of_ours_happened()
    {
        var (_, text) = Print(Thrown(), terminal => terminal.Verbose = true);
        Assert.Contains("   at PeftNative.Cli.Tests.ErrorTests.Thrown", text, StringComparison.Ordinal);
    }

    private static InvalidOperationException Thrown()
    {
        try
        {
            throw new InvalidOperationException("odd");
        }
        catch (InvalidOperationException e)
        {
            return e;
        }
    }

    private static (int Code, string Text) Print(Exception error, Action<Terminal>? prepare = null)
    {
        using var text = new StringWriter { NewLine = "\n" };
        using var interruption = new Interruption();
        var terminal = new Terminal(TextWriter.Null, text, TextReader.Null, interruption);
        prepare?.Invoke(terminal);
        return (ErrorPrinter.Print(error, terminal), text.ToString());
    }

    // The output folder may be overruled; a flag must not stand twice.
    private string[] Train(params string[] more) =>
    [
        "train", "--model", TinyModels.Llama(folder), "--data", TinyModels.Prompts(folder), .. more,
        .. more.Contains("--output") ? Array.Empty<string>() : ["--output", folder["out"]],
    ];

    [Fact]
    public void Predictions_are_not_written_over_the_data()
    {
        var data = TinyModels.Prompts(folder);
        var before = File.ReadAllText(data);
        Expect(2, ["predict", "--model", TinyModels.Llama(folder), "--data", data, "--output", data, "--backend",
            "reference"], "over the data", "another file");
        Assert.Equal(before, File.ReadAllText(data));
    }

    [Theory]
    [InlineData("--target_modules", "q_proj,nosuch", "target_modules names nosuch")]
    [InlineData("--bias", "all", "this llama model has no biases")]
    [InlineData("--modules_to_save", "norm,nosuch", "modules_to_save names nosuch")]
    public void What_was_asked_for_and_is_not_there_is_warned_of(string flag, string value, string warning)
    {
        string[] run = ["--output", folder["out"], "--max_steps", "1", "--backend", "reference", flag, value];
        Assert.Contains(warning, Command.Succeed(Train(run)).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Targets_that_are_all_trained_whole_are_said_to_be_so() => Expect(2,
        Train("--output", folder["out"], "--target_modules", "embed_tokens", "--modules_to_save", "embed_tokens"),
        "nothing but what modules_to_save trains whole", "Leave it out");

    [Fact]
    public void No_epoch_is_no_run() =>
        Expect(2, Train("--output", folder["out"], "--epochs", "0"), "--epochs", "at least");

    [Fact]
    public void Folders_given_for_models_are_named_for_what_they_are()
    {
        var (model, adapter) = (TinyModels.Llama(folder, "named"), TrainedAdapter());
        Expect(4, ["generate", "--model", adapter, "--prompt", "a"], "is an adapter's", "--adapter");
        Expect(4, ["generate", "--model", Path.Combine(model, "config.json"), "--prompt", "a"], "is a file", "folder");
    }

    private string TrainedAdapter()
    {
        Command.Succeed(Train("--output", folder["trained"], "--max_steps", "1", "--backend", "reference"));
        return folder["trained"];
    }

    private static void Expect(int code, string[] args, params string[] parts)
    {
        var error = Command.Fail(code, args);
        Assert.All(parts, part => Assert.Contains(part, error, StringComparison.OrdinalIgnoreCase));
    }
}
