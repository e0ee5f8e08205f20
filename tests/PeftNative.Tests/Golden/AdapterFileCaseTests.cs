using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using PeftNative.Backends.Reference;
using PeftNative.Tensors;
using PeftNative.Lab.Verification;
using Xunit;

namespace PeftNative.Tests.Golden;

/// <summary>
/// Cases about reading an adapter folder: what counts as passed, and those that lie beside the repository.
/// </summary>
[Trait("Pace", "slow")]
public sealed class AdapterFileCaseTests : IDisposable
{
    private static readonly string Golden = Path.Combine(AppContext.BaseDirectory, "golden");

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("peftnative-test-");

    [Fact]
    public void A_folder_that_loads_with_the_recorded_logits_passes_merged_as_well()
    {
        var result = Replay("loads", sameAsSaved: true);
        Assert.True(result.Passed, result.Failure);
        Assert.Equal(("loads", "loads"), (result.Expect, result.Got));
        Assert.True(result.Merged <= 1e-4);
    }

    [Fact]
    public void A_folder_that_the_reference_refuses_fails_when_it_is_read_without_reaching_what_was_saved() =>
        Assert.Contains("reference refuses it", Replay("error", sameAsSaved: null).Failure, StringComparison.Ordinal);

    [Fact]
    public void A_folder_that_means_something_else_than_what_was_saved_fails_when_only_the_reference_says_so() =>
        Assert.Contains("nothing says so", Replay("warns", sameAsSaved: false).Failure, StringComparison.Ordinal);

    [Theory]
    [InlineData("loads", true, false)]
    [InlineData("loads", false, true)]
    [InlineData("error", null, true)]
    public void Refusing_passes_where_the_reference_refuses_or_is_wrong(string expect, bool? sameAsSaved, bool passes)
    {
        var result = Replay(expect, sameAsSaved, adapter: "absent");
        Assert.Equal("error", result.Got);
        Assert.Equal(passes, result.Passed);
    }

    [Theory]
    [InlineData("kasa_config", true)]
    [InlineData("lora_ga_config", false)]
    public void Refusing_passes_for_a_setting_that_is_listed_as_not_understood(string key, bool passes)
    {
        var adapter = Path.Combine(Golden, "cases", Case, "adapter", "adapter_config.json");
        var config = JsonNode.Parse(File.ReadAllText(adapter))!;
        config[key] = new JsonObject { ["alpha"] = 1 };
        File.WriteAllText(Path.Combine(folder.FullName, "adapter_config.json"), config.ToJsonString());
        Assert.Equal(passes, Replay("loads", sameAsSaved: true, adapter: folder.FullName).Passed);
    }

    // Groups that hold altogether; bert-bias-all trains biases whose gradient is noise.
    [Theory]
    [InlineData("^(berttok|gpt2cls|roberta|gpt2|t5)-bias-")]
    [InlineData("^llama-lora-(embed|lm_head)")]
    [InlineData("^llama-(save|tensors|wrapped|many|name)-")]
    [InlineData("^bert-(save|tensors|lora)-")]
    [InlineData("-resized-(plain|save|target)")]
    [InlineData("^llama-(bin|bf16|fp|no-)")]
    [InlineData("-config-")]
    [InlineData("-(headless|on)")]
    [InlineData("-(ia3|prefix|prompt|ptuning)-")]
    public void Recorded_folders_of_a_group_hold(string group)
    {
        var root = SharedFolder.PathOrSkip("recorded/files");
        var cases = Directory.GetDirectories(Path.Combine(root, "cases"))
            .Where(c => Regex.IsMatch(Path.GetFileName(c), group)).ToList();
        Assert.NotEmpty(cases);
        using var backend = ReferenceBackend.Create(DType.Float32);
        foreach (var path in cases)
        {
            using var recorded = new RecordedCase(root, path);
            var result = new CaseRunner(backend, recorded).Run();
            Assert.True(result.Passed, $"{result.Case}: {result.Failure}");
        }
    }

    public void Dispose() => folder.Delete(recursive: true);

    private const string Case = "llama-causal-lora-patterns";

    // A case of the project's own, told as one about its folder.
    private CaseResult Replay(string expect, bool? sameAsSaved, string? adapter = null)
    {
        var source = Path.Combine(Golden, "cases", Case);
        var given = JsonNode.Parse(File.ReadAllText(Path.Combine(source, "case.json")))!;
        var json = new JsonObject
        {
            ["kind"] = "files", ["task"] = "causal", ["base"] = Path.Combine(Golden, (string)given["base"]!),
            ["expect"] = expect, ["adapter"] = adapter ?? Path.Combine(source, "adapter"),
        };
        if (sameAsSaved is not null) (json["same_as_saved"], json["merge_same"]) = (sameAsSaved, true);
        var written = folder.CreateSubdirectory("case").FullName;
        File.WriteAllText(Path.Combine(written, "case.json"), json.ToJsonString());
        File.Copy(Path.Combine(source, "tensors.safetensors"), Path.Combine(written, "tensors.safetensors"));
        using var backend = ReferenceBackend.Create(DType.Float32);
        using var recorded = new RecordedCase(folder.FullName, written);
        return new CaseRunner(backend, recorded).Run();
    }
}
