using System.Buffers.Binary;
using PeftNative.Backends.Reference;
using PeftNative.Lab.Verification;
using PeftNative.Models.Loading;
using PeftNative.Models.Weights;
using PeftNative.Peft;
using PeftNative.Tensors;
using PeftNative.Tests.Data;
using Xunit;

namespace PeftNative.Tests.Golden;

/// <summary>
/// The files written for every method and family are those of the reference for the same settings: the same names, of
/// weights files the same header (keys, shapes, types, order, metadata) and, but for what a method folds before it is
/// saved, the same bytes; in settings the same keys and values.
/// </summary>
public class WrittenFileTests
{
    private static readonly string Own = Path.Combine(AppContext.BaseDirectory, "golden");

    // Where the recorded cases lie beside the repository, each is a test of its own: FAMILY-TASK-METHOD.
    public static TheoryData<string> Cases => [.. Names(Root)];

    private static string Root => SharedFolder.Find("golden") ?? Own;

    [Theory]
    [MemberData(nameof(Cases))]
    public void Files_are_those_of_the_reference(string name)
    {
        using var backend = ReferenceBackend.Create(DType.Float32);
        using var recorded = new RecordedCase(Root, Path.Combine(Root, "cases", name));
        using var model = ModelLoader.Load(backend, recorded.Base, recorded.Options()).Model;
        var theirs = Path.Combine(recorded.Folder, "adapter");
        using var adapter = AdapterFolder.ReadConfig(theirs).Create(model, seed: 1, trainable: true, "default");
        foreach (var entry in adapter.Entries)
            HostValues.Upload(backend, StoredOrder.FromFile(entry.Parameter,
                recorded.Floats("trainable." + entry.QualifiedName)), entry.Parameter.Value);

        using var folder = new TemporaryFolder();
        AdapterFolder.Save(adapter, folder.Root);
        Assert.Equal(Files(theirs), Files(folder.Root));
        foreach (var file in Files(theirs).Where(f => f.EndsWith(".safetensors", StringComparison.Ordinal)))
        {
            var (ours, reference) = (File.ReadAllBytes(folder[file]), File.ReadAllBytes(Path.Combine(theirs, file)));
            Assert.Equal(Header(reference), Header(ours));
            if (adapter.StoredEntries.Where(e => e.File == file).All(e => adapter.Entries.Contains(e) || e.IsBase))
                Assert.Equal(reference, ours);
        }
        Assert.Empty(AdapterComparison.Differences(adapter, theirs));
    }

    [Fact]
    public void Every_method_and_family_has_a_case()
    {
        SharedFolder.PathOrSkip("golden");
        var methods = Names(Root).Select(n => n.Split('-')).ToLookup(n => n[0], n => string.Join('-', n[2..]));
        // PEFT refuses a prefix on distilbert; AdapterHub knows fewer families.
        const string Families =
            "bert distilbert gemma gemma2 gemma3 gpt2 gpt_neox llama mistral opt phi3 qwen2 qwen3 roberta t5";
        foreach (var family in Families.Split(' '))
            foreach (var method in (family == "distilbert"
                ? "" : "prefix prefix-mlp ").Split(' ', StringSplitOptions.RemoveEmptyEntries)
                .Concat("lora ia3 prompt ptuning-mlp ptuning-lstm".Split(' ')))
                Assert.Contains(method, methods[family]);
        foreach (var family in "bert distilbert gpt2 llama mistral roberta t5".Split(' '))
            foreach (var method in "adapter-houlsby adapter-pfeiffer adapter-parallel".Split(' '))
                Assert.Contains(method, methods[family]);
    }

    private static IEnumerable<string> Names(string root) => Directory.GetDirectories(Path.Combine(root, "cases"))
        .Where(c => Directory.Exists(Path.Combine(c, "adapter"))).Select(c => Path.GetFileName(c))
        .Order(StringComparer.Ordinal);

    private static List<string> Files(string folder) =>
        [.. Directory.GetFiles(folder).Select(f => Path.GetFileName(f)).Where(f => f != "README.md")
            .Order(StringComparer.Ordinal)];

    private static string Header(byte[] file) =>
        System.Text.Encoding.UTF8.GetString(file, 8, (int)BinaryPrimitives.ReadInt64LittleEndian(file));
}
