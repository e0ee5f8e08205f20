using PeftNative.Lab.Verification;
using PeftNative.Ops;
using PeftNative.Tensors;
using PeftNative.Tests;
using Xunit;

namespace PeftNative.Cuda.Tests;

/// <summary>Recorded cases of Hugging Face PEFT and AdapterHub on the emulated driver.</summary>
public sealed class RecordedCaseTests
{
    private static readonly string Own = Path.Combine(AppContext.BaseDirectory, "golden");

    public static TheoryData<string> OwnCases =>
        [.. Directory.GetDirectories(Path.Combine(Own, "cases")).Select(c => Path.GetFileName(c))
            .Order(StringComparer.Ordinal)];

    /// <summary>
    /// A case of every method, decoders, encoders and both, where all recorded cases lie beside the repository.
    /// </summary>
    public static TheoryData<string> Choice =>
    [
        "llama-causal-lora-all", "qwen2-causal-dora", "gpt2-causal-prefix", "gemma3-causal-prefix-mlp",
        "mistral-causal-prompt", "bert-cls-ptuning-mlp",
        "opt-causal-ptuning-lstm", "bert-cls-adapter-houlsby", "roberta-cls-adapter-parallel",
        "distilbert-cls-adapter-pfeiffer", "t5-seq2seq-ia3",
        "phi3-causal-full",
    ];

    [Theory]
    [MemberData(nameof(OwnCases))]
    public void A_case_of_the_project_holds_in_fp32(string name) => Run(Own, name, DType.Float32);

    [Theory]
    [MemberData(nameof(OwnCases))]
    public void A_case_of_the_project_holds_in_bf16(string name) => Run(Own, name, DType.BFloat16);

    [Theory]
    [MemberData(nameof(Choice))]
    public void A_case_of_every_method_holds_in_bf16(string name) =>
        Run(SharedFolder.PathOrSkip("golden"), name, DType.BFloat16);

    /// <summary>A base of every form that files keep quantised.</summary>
    [Theory]
    [InlineData("gpt2-nf4-lora")]
    [InlineData("small-fp4-lora-all")]
    [InlineData("llama-int8-lora-all")]
    [InlineData("fp8-block128")]
    [InlineData("awq-gemm-g32")]
    [InlineData("ct-int4-g32")]
    public void A_base_that_is_quantised_in_its_files_holds(string name)
    {
        using var backend = Emulator.Open(DType.Float32);
        Run(backend, SharedFolder.PathOrSkip("recorded/quantized"), name);
    }

    /// <summary>GGUF models: blocks of several types, rotary divisors, Gemma's norms, Conv1D.</summary>
    [Theory]
    [InlineData("llama-kquants", DType.Float32)]
    [InlineData("llama-tied-rope3", DType.BFloat16)]
    [InlineData("gemma2-caps", DType.Float32)]
    [InlineData("gpt2", DType.BFloat16)]
    public void A_model_in_a_gguf_file_holds(string name, DType type)
    {
        var folder = SharedFolder.PathOrSkip($"recorded/gguf/models/{name}");
        using var backend = Emulator.Open(type);
        var result = GgufVerifier.Model(folder, backend);
        Assert.True(result.Passed, result.FirstFailure);
    }

    [Fact]
    public void Scores_may_be_made_two_rows_at_a_time()
    {
        using var backend = new ScheduledBackend(Emulator.Open(), "forward") { ScoreBytes = 2 * 97 * sizeof(float) };
        Run(backend, Own, "llama-causal-lora-patterns");
    }

    private static void Run(string root, string name, DType type)
    {
        using var backend = Emulator.Open(type);
        Run(backend, root, name);
    }

    private static void Run(IBackend backend, string root, string name)
    {
        using var recorded = new RecordedCase(root, Path.Combine(root, "cases", name));
        var result = new CaseRunner(backend, recorded).Run();
        Assert.True(result.Passed, $"{name}: {result.Failure}");
        Assert.NotNull(result.Logits);
        if (recorded.Kind != "quantized-base") Assert.NotNull(result.Gradient);
    }
}
