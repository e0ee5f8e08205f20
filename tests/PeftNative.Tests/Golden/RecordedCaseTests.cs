using System.Text.RegularExpressions;
using PeftNative.Backends.Reference;
using PeftNative.Formats.Json;
using PeftNative.Formats.Safetensors;
using PeftNative.Lab.Verification;
using PeftNative.Models.Families;
using PeftNative.Tensors;
using PeftNative.Tests.Data;
using Xunit;

namespace PeftNative.Tests.Golden;

/// <summary>
/// Recorded cases of the reference implementations: a choice that belongs to the project, and all of them where they
/// lie beside the repository.
/// </summary>
public class RecordedCaseTests
{
    public static TheoryData<string> OwnCases =>
        [.. Directory.GetDirectories(Path.Combine(AppContext.BaseDirectory, "golden", "cases"))
            .Select(c => Path.GetFileName(c)).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(OwnCases))]
    public void A_case_of_the_project_holds_on_the_reference_backend(string name) =>
        Run(Path.Combine(AppContext.BaseDirectory, "golden"), name);

    public static TheoryData<string> Families =>
        ["bert", "distilbert", "gemma", "gpt2", "gpt_neox", "llama", "mistral", "opt", "phi3", "qwen", "roberta", "t5"];

    [Trait("Pace", "slow")]
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

    // What is refused by name, and where generation past a border of long rope keeps cached keys of the shorter one.
    private static readonly string[] NotYet =
    [
        "falcon40-", "falconrw-", "rope-proportional-", "rope-longrope-causal-", "rope-longrope-partial-causal-full",
    ];

    public static TheoryData<string> Decoders =>
    [
        "exaone4", "falcon", "gpt_neo", "granite", "hunyuan_v1_dense", "llama", "ministral", "olmo2", "olmo3", "phi",
        "seed_oss", "smollm3", "stablelm", "starcoder2",
    ];

    [Trait("Pace", "slow")]
    [Theory]
    [MemberData(nameof(Decoders))]
    public void Recorded_cases_of_the_second_set_hold_on_the_reference_backend(string family)
    {
        var root = SharedFolder.PathOrSkip("recorded/decoders");
        var names = CasesOf(root).Where(c => c.ModelType == family && !Array.Exists(NotYet, c.Name.StartsWith))
            .Select(c => c.Name).ToList();
        Assert.NotEmpty(names);
        foreach (var name in names) Run(root, name);
    }

    [Fact]
    public void Every_family_is_held_against_recorded_cases()
    {
        var first = CasesOf(SharedFolder.PathOrSkip("golden"))
            .Where(c => Families.Any(f => c.Name.StartsWith(f.Data, StringComparison.Ordinal)));
        var recorded = first.Select(c => c.ModelType).Concat(Decoders.Select(d => d.Data)).ToHashSet();
        // Nobody has recorded mt5, or a t5 with a gate: finite differences and the random shapes alone hold it.
        Assert.Equal(FamilyTable.ModelTypes.Where(type => type != "mt5"), recorded.Order(StringComparer.Ordinal));
    }

    // By the config.json of the base: what a case calls its family is not always that.
    private static IEnumerable<(string Name, string ModelType)> CasesOf(string root) =>
        from folder in Directory.GetDirectories(Path.Combine(root, "cases"))
        let recorded = StrictJson.ReadFile(Path.Combine(folder, "case.json")).GetOptionalString("base")
        where recorded is not null
        let config = StrictJson.ReadFile(Path.Combine(root, recorded, "config.json"))
        select (Path.GetFileName(folder), config.GetString("model_type"));

    [Theory]
    [InlineData("nf4")]
    [InlineData("int8")]
    [InlineData("fp[48]")]
    [InlineData("^(gptq|awq|ct)-")]
    public void All_bases_that_are_quantised_in_their_files_hold_on_the_reference_backend(string form)
    {
        var root = SharedFolder.PathOrSkip("recorded/quantized");
        var names = Directory.GetDirectories(Path.Combine(root, "cases")).Select(c => Path.GetFileName(c))
            .Where(n => Regex.IsMatch(n, form) && n != "mxfp4-gpt-oss").ToList();
        Assert.NotEmpty(names);
        foreach (var name in names) Run(root, name);
    }

    // A key's bias adds the same to all scores of a query, which the softmax does not feel.
    [Theory]
    [InlineData(5e-7f, true)]
    [InlineData(5e-6f, false)]
    public void A_gradient_that_is_zero_in_exact_arithmetic_may_be_any_noise(float size, bool passes)
    {
        const string Zero = "grad.bert.encoder.layer.0.attention.self.key.bias";
        var root = SharedFolder.PathOrSkip("golden");
        using var folder = new TemporaryFolder();
        var source = Path.Combine(root, "cases", "bert-cls-full");
        File.Copy(Path.Combine(source, "case.json"),
            Path.Combine(Directory.CreateDirectory(folder["bert-cls-full"]).FullName, "case.json"));
        var writer = new SafetensorsWriter();
        using (var file = SafetensorsFile.Open(Path.Combine(source, "tensors.safetensors")))
        {
            var largest = file.Tensors.Where(t => t.Name.StartsWith("grad.", StringComparison.Ordinal))
                .Max(t => Floats(file, t).Max(MathF.Abs));
            foreach (var tensor in file.Tensors)
                if (tensor.Name != Zero)
                    writer.Add(tensor.Name, tensor.Type, tensor.Shape.AsSpan(), file.Bytes(tensor).ToArray());
                else
                    writer.Add(tensor.Name, tensor.Shape.AsSpan(), Floats(file, tensor)
                        .Select((_, i) => (i % 2 == 0 ? size : -size) * largest).ToArray());
        }
        writer.Save(Path.Combine(folder["bert-cls-full"], "tensors.safetensors"));
        using var backend = ReferenceBackend.Create(DType.Float32);
        using var recorded = new RecordedCase(root, folder["bert-cls-full"]);
        var result = new CaseRunner(backend, recorded).Run();
        Assert.Equal(passes, result.Passed);
        if (!passes) Assert.Contains("key.bias is off", result.Failure, StringComparison.Ordinal);
    }

    private static float[] Floats(SafetensorsFile file, StoredTensor tensor)
    {
        var values = new float[tensor.ElementCount];
        file.ReadAs(tensor, values);
        return values;
    }

    private static void Run(string root, string name)
    {
        using var backend = ReferenceBackend.Create(DType.Float32);
        using var recorded = new RecordedCase(root, Path.Combine(root, "cases", name));
        var result = new CaseRunner(backend, recorded).Run();
        Assert.True(result.Passed, $"{name}: {result.Failure}");
        Assert.NotNull(result.Logits);
        if (recorded.Names("grad.").Any()) Assert.NotNull(result.Gradient);
    }
}
