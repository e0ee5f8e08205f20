using PeftNative.Formats.Safetensors;
using PeftNative.Lab.Cases;
using Xunit;

namespace PeftNative.Cli.Tests;

/// <summary>The verbs that only look: env, inspect, verify.</summary>
public sealed class ShowTests : IDisposable
{
    private static readonly string Golden = Path.Combine(AppContext.BaseDirectory, "golden");

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Env_names_the_chosen_backend_and_why_others_are_absent()
    {
        var shown = Command.Succeed("env", "--json").Lines.Single();
        var backends = shown["backends"]!.AsArray();
        Assert.Contains(backends, b => b!["name"]!.GetValue<string>() == shown["backend"]!.GetValue<string>()
            && b["available"]!.GetValue<bool>());
        Assert.All(backends, b => Assert.NotEmpty(b!["detail"]!.GetValue<string>()));
    }

    [Fact]
    public void Verify_ops_sums_up_every_operation_and_says_what_was_not_exercised()
    {
        var outcome = Command.Succeed("verify", "ops", "--backend", "ilgpu-cpu", "--filter",
            "^(Rope|Gather)", "--json");
        Assert.Equal(["Rope", "Gather"], outcome.Lines.Select(l => l["operation"]!.GetValue<string>()));
        Assert.All(outcome.Lines, l => Assert.True(l["cases"]!.GetValue<int>() > 0
            && l["failed"]!.GetValue<int>() == 0));
        Assert.Contains("not exercised: ", outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Verify_ops_runs_one_case_by_its_name()
    {
        var name = OperationCases.All(7).First(c => c.Operation == "Gather").Name;
        var shown = Command.Succeed("verify", "ops", "--backend", "reference", "--seed", "7", "--case", name,
            "--json").Lines.Single();
        Assert.Equal(1, shown["cases"]!.GetValue<int>());
        Assert.Contains("no case of that name", Command.Fail(2, "verify", "ops", "--case", "Gather()"),
            StringComparison.Ordinal);
    }

    [Fact]
    public void Inspect_counts_what_is_not_finite()
    {
        var writer = SafetensorsWriter.ForPyTorch();
        writer.Add("a", [2, 2], new float[] { 3, 4, float.NaN, float.PositiveInfinity });
        writer.Add("b", [2], new float[] { 1, 0 }, StoredType.BF16);
        writer.Save(folder["w.safetensors"]);
        var lines = Command.Succeed("inspect", folder["w.safetensors"], "--json").Lines;
        Assert.Equal(6, lines[0]["parameters"]!.GetValue<long>());
        Assert.Equal(5.0, lines[1]["norm"]!.GetValue<double>());
        Assert.Equal((1, 1), (lines[1]["nan"]!.GetValue<int>(), lines[1]["inf"]!.GetValue<int>()));
        Assert.Equal("BF16", lines[2]["dtype"]!.GetValue<string>());
        Assert.Contains("2 numbers are not finite", Command.Succeed("inspect", folder["w.safetensors"]).Out,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Inspect_tells_what_changed_between_two_files()
    {
        Write("one", ("same", [1, 2]), ("changed", [3, 4]), ("gone", [1]));
        Write("two", ("same", [1, 2]), ("changed", [3, 4.5f]), ("new", [1]));
        var lines = Command.Succeed("inspect", folder["one"], "--diff", folder["two"],
            "--json").Lines.ToDictionary(l => l["tensor"]!.GetValue<string>());
        Assert.Equal("equal", lines["same"]["relation"]!.GetValue<string>());
        Assert.Equal(0.5, lines["changed"]["largest_difference"]!.GetValue<double>());
        Assert.Equal(0.1, lines["changed"]["relative_difference"]!.GetValue<double>(), 6);
        Assert.Equal(("removed", "added"),
            (lines["gone"]["relation"]!.GetValue<string>(), lines["new"]["relation"]!.GetValue<string>()));
    }

    [Fact]
    public void Inspect_knows_the_base_an_adapter_fits()
    {
        var shown = Command.Succeed("inspect",
            Path.Combine(Golden, "cases", "llama-causal-lora-patterns", "adapter")).Out;
        Assert.Contains(": adapter", shown, StringComparison.Ordinal);
        Assert.Matches(@"fits +.*_proj \d+ to \d+", shown);
    }

    [Fact]
    public void Verify_replays_cases_and_writes_one_object_each()
    {
        var outcome = Command.Succeed("verify", Golden, "--backend", "reference", "--filter",
            "lora-patterns$", "--json");
        var line = outcome.Lines.Single();
        Assert.Equal(["case", "passed", "logits", "loss", "grad", "steps", "merged", "generated", "seconds"],
            line.Select(p => p.Key));
        Assert.Equal("llama-causal-lora-patterns", line["case"]!.GetValue<string>());
        Assert.True(line["passed"]!.GetValue<bool>());
        Assert.True(line["generated"]!.GetValue<bool>());
    }

    [Fact]
    public void Verify_fails_when_a_number_differs()
    {
        Copy(Path.Combine(Golden, "bases", "llama-causal"), folder["bases/llama-causal"]);
        Copy(Path.Combine(Golden, "cases", "llama-causal-lora-patterns"), folder["cases/llama-causal-lora-patterns"]);
        var file = folder["bases/llama-causal/model.safetensors"];
        var bytes = File.ReadAllBytes(file);
        bytes[^3] ^= 0x20;
        File.WriteAllBytes(file, bytes);
        var outcome = Command.Run("verify", folder.Root, "--backend", "reference");
        Assert.Equal(6, outcome.Code);
        Assert.Contains("0 passed, 1 failed, 0 not run", outcome.Out, StringComparison.Ordinal);
    }

    [Fact]
    public void Verify_lists_what_it_cannot_run_and_does_not_call_it_passed()
    {
        folder.Write("bases/odd/config.json", """{"model_type":"mamba"}""");
        var writer = SafetensorsWriter.ForPyTorch();
        writer.Add("logits", [1], new float[] { 1 });
        Directory.CreateDirectory(folder["cases/odd-lora"]);
        writer.Save(folder["cases/odd-lora/tensors.safetensors"]);
        folder.Write("cases/odd-lora/case.json",
            """{"kind":"train","method":"lora","base":"bases/odd","task":"causal"}""");
        var outcome = Command.Run("verify", folder.Root);
        Assert.Equal(4, outcome.Code);
        Assert.Contains("not run: the model family mamba is not supported yet: odd-lora", outcome.Out,
            StringComparison.Ordinal);
        Assert.False(Command.Run("verify", folder.Root, "--json").Lines.Single()["passed"]!.GetValue<bool>());
    }

    [Fact]
    public void Verify_accepts_the_training_folder_itself()
    {
        folder.Write("schedules.json",
            """[{"name":"linear","learning_rate":1.0,"warmup_steps":0,"total_steps":4,"rates":[1.0,0.75,0.5,0.25]}]""");
        var line = Command.Succeed("verify", folder.Root, "--json").Lines.Single();
        Assert.Equal(["case", "passed", "checked", "failed", "first_failure"], line.Select(p => p.Key));
        Assert.Equal("training:schedules", line["case"]!.GetValue<string>());
    }

    [Fact]
    public void A_filter_that_finds_nothing_is_a_mistake() =>
        Assert.Contains("No case has a name", Command.Fail(2, "verify", Golden, "--filter", "nosuchcase"),
            StringComparison.Ordinal);

    [Fact]
    public void A_filter_that_is_no_pattern_is_a_mistake() =>
        Assert.Contains("no regular expression", Command.Fail(2, "verify", Golden, "--filter", "("),
            StringComparison.Ordinal);

    private void Write(string name, params (string Name, float[] Values)[] tensors)
    {
        var writer = SafetensorsWriter.ForPyTorch();
        foreach (var (tensor, values) in tensors) writer.Add(tensor, [values.Length], values);
        writer.Save(folder[name]);
    }

    private static void Copy(string from, string to)
    {
        foreach (var file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            var target = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target);
        }
    }
}
