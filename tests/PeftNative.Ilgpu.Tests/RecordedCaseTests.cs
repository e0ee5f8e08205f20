using PeftNative.Lab.Verification;
using PeftNative.Tests;
using Xunit;

namespace PeftNative.Ilgpu.Tests;

/// <summary>The project's choice of recorded cases of Hugging Face PEFT and AdapterHub.</summary>
public sealed class RecordedCaseTests(Emulation emulation) : IClassFixture<Emulation>
{
    private static readonly string Golden = Path.Combine(AppContext.BaseDirectory, "golden");

    public static TheoryData<string> Cases =>
        [.. Directory.GetDirectories(Path.Combine(Golden, "cases")).Select(c => Path.GetFileName(c))
            .Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_recorded_case_holds_on_the_emulation(string name)
    {
        using var recorded = new RecordedCase(Golden, Path.Combine(Golden, "cases", name));
        var result = new CaseRunner(emulation.Backend, recorded).Run();
        Assert.True(result.Passed, $"{name}: {result.Failure}");
        Assert.NotNull(result.Logits);
    }

    [Theory]
    [InlineData("llama-kquants")]
    [InlineData("phi3")]
    public void A_model_in_a_gguf_file_holds_on_the_emulation(string name)
    {
        var folder = SharedFolder.PathOrSkip($"recorded/gguf/models/{name}");
        var result = GgufVerifier.Model(folder, emulation.Backend);
        Assert.True(result.Passed, result.FirstFailure);
    }
}
