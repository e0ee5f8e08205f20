using System.Runtime.InteropServices;
using PeftNative.Backends.Reference;
using PeftNative.Formats.Safetensors;
using PeftNative.Lab.Verification;
using PeftNative.Tensors;
using PeftNative.Tests.Data;
using Xunit;

namespace PeftNative.Tests.Golden;

/// <summary>Records that say something else than what is computed make a case fail.</summary>
public sealed class AlteredCaseTests : IDisposable
{
    private const string Case = "small-nf4-double-lora-all", Prefix = "merged_quantized.";
    private const string Layer = Prefix + "model.layers.0.self_attn.q_proj.weight";

    private readonly TemporaryFolder folder = new();

    [Fact]
    public void A_copy_passes() => Assert.Null(Failure("", _ => { }));

    [Theory]
    [InlineData(Layer + ".nested_absmax")]
    [InlineData(Layer + ".nested_quant_map")]
    [InlineData(Layer + ".quant_map")]
    [InlineData("merged_quantized_logits")]
    public void A_number_that_is_a_thousandth_off_is_found(string name) =>
        Assert.Contains($"{name} is off", Failure(name, bytes =>
        {
            foreach (ref var value in MemoryMarshal.Cast<byte, float>(bytes.AsSpan())) value *= 1.001f;
        }), StringComparison.Ordinal);

    [Theory]
    [InlineData(Layer)]
    [InlineData(Layer + ".absmax")]
    public void A_code_that_differs_is_found(string name) =>
        Assert.Contains($"{name}: 1 of", Failure(name, bytes => bytes[0] ^= 1), StringComparison.Ordinal);

    [Theory]
    [InlineData(Layer + ".second_absmax")]
    [InlineData(Prefix + "model.layers.2.self_attn.q_proj.weight")]
    public void A_record_that_nothing_is_compared_with_is_found(string name) =>
        Assert.Contains("was not quantised again", Failure("", _ => { }, name), StringComparison.Ordinal);

    public void Dispose() => folder.Dispose();

    // What a case fails of with other bytes in a tensor, or one tensor more.
    private string? Failure(string tensor, Action<byte[]> change, string? more = null)
    {
        var root = Path.Combine(AppContext.BaseDirectory, "golden");
        var (source, target) = (Path.Combine(root, "cases", Case), folder[Case]);
        foreach (var file in Directory.GetFiles(source, "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(target, Path.GetRelativePath(source, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
        const string Tensors = "tensors.safetensors";
        var writer = new SafetensorsWriter();
        using (var file = SafetensorsFile.Open(Path.Combine(source, Tensors)))
            foreach (var stored in file.Tensors)
            {
                var bytes = file.Bytes(stored).ToArray();
                if (stored.Name == tensor) change(bytes);
                writer.Add(stored.Name, stored.Type, stored.Shape.AsSpan(), bytes);
            }
        if (more is not null) writer.Add(more, StoredType.F32, [1], new byte[4]);
        writer.Save(Path.Combine(target, Tensors));
        using var backend = ReferenceBackend.Create(DType.Float32);
        using var recorded = new RecordedCase(root, target);
        return new CaseRunner(backend, recorded).Run().Failure;
    }
}
