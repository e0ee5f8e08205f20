using PeftNative.Backends.Reference;
using PeftNative.Lab.Verification;
using PeftNative.Tensors;
using Xunit;

namespace PeftNative.Tests.Golden;

/// <summary>
/// Recorded cases of the reference implementations: a choice that belongs to the project, and all of them where they lie beside the repository.
/// </summary>
public class RecordedCaseTests
{
    public static TheoryData<string> OwnCases =>
        [.. Directory.GetDirectories(Path.Combine(AppContext.BaseDirectory, "golden", "cases")).Select(c => Path.GetFileName(c)).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(OwnCases))]
    public void A_case_of_the_project_holds_on_the_reference_backend(string name) =>
        Run(Path.Combine(AppContext.BaseDirectory, "golden"), name);

    public static TheoryData<string> Families => ["bert", "distilbert", "gemma", "gpt2", "gpt_neox", "llama", "mistral", "opt", "phi3", "qwen", "roberta", "t5"];

    [Theory]
    [MemberData(nameof(Families))]
    public void All_recorded_cases_of_a_family_hold_on_the_reference_backend(string family)
    {
        var root = SharedFolder.PathOrSkip("golden");
        var names = Directory.GetDirectories(Path.Combine(root, "cases")).Select(c => Path.GetFileName(c))
            .Where(n => n.StartsWith(family, StringComparison.Ordinal)).ToList();
        Assert.NotEmpty(names);
        foreach (var name in names) Run(root, name);
    }

    private static void Run(string root, string name)
    {
        using var backend = ReferenceBackend.Create(DType.Float32);
        using var recorded = new RecordedCase(root, Path.Combine(root, "cases", name));
        var result = new CaseRunner(backend, recorded).Run();
        Assert.True(result.Passed, $"{name}: {result.Failure}");
        Assert.NotNull(result.Logits);
        if (recorded.Kind is "train" or "adapterhub") Assert.NotNull(result.Gradient);
    }
}
