using PeftNative.Formats;
using PeftNative.Formats.Safetensors;
using PeftNative.Models.Loading;
using PeftNative.Peft;
using PeftNative.Tests.Formats;
using Xunit;

namespace PeftNative.Tests.Fuzzing;

/// <summary>Whole loads of damaged adapters as torch.save writes them, in both of its forms.</summary>
public sealed class TorchFuzzTests(ITestOutputHelper output)
{
    private const string Case = "llama-causal-lora-embed", Base = "llama-causal";

    [Theory]
    [InlineData(false, 20261205)]
    [InlineData(true, 20261206)]
    public void Damaged_adapters_load_or_are_refused(bool isOld, int seed)
    {
        using var fuzzer = new Fuzzer(output, seed);
        using var backend = new BoundedBackend(BackendOrSkip.Create("reference"), 64 << 20);
        using var model = ModelLoader.Load(backend, Golden("bases", Base)).Model;
        var (pickle, storages) = Adapter(isOld);
        fuzzer.Scratch.Write("adapter_config.json", File.ReadAllBytes(
            Path.Combine(Golden("cases", Case), "adapter", "adapter_config.json")));
        var places = storages.ToDictionary(s => s.Key, s => ("FloatStorage", (long)s.Data.Length / 4));
        fuzzer.Run(
            random =>
            {
                // The pickle alone, or whatever the file has.
                var changes = random.Next(1, 4);
                var told = random.Next(2) == 0 ? TorchBytes.Dictionary(Changed(random, pickle, changes), places, isOld)
                    : random.Bytes(TorchBytes.Dictionary(pickle, places, isOld), changes);
                var bytes = isOld ? TorchBytes.Old(told, [.. storages.Select(s => (s.Key, 4, s.Data))])
                    : TorchBytes.Zip(told, storages);
                if (random.Next(4) == 0) bytes = random.Bytes(bytes, 2);
                fuzzer.Scratch.Write("adapter_model.bin", bytes);
                return fuzzer.Scratch.Root;
            },
            folder => AdapterFolder.Load(model, folder).Dispose(), 20);
    }

    // What the tensors say of themselves.
    private static List<TorchView> Changed(Random random, IReadOnlyList<TorchView> views, int changes)
    {
        List<TorchView> changed = [.. views];
        for (; changes > 0; changes--)
        {
            var at = random.Next(changed.Count);
            var view = changed[at];
            changed[at] = random.Next(6) switch
            {
                0 => view with { Name = random.Pick(changed).Name },
                1 => view with { Storage = random.Pick(changed).Storage },
                2 => view with { Offset = random.Number(view.Offset) },
                3 => view with { Sizes = Changed(random, view.Sizes) },
                4 => view with { Strides = Changed(random, view.Strides) },
                _ => view with { Sizes = [.. view.Sizes, random.Number(1)], Strides = [.. view.Strides, 0] },
            };
        }
        return changed;
    }

    private static long[] Changed(Random random, long[] values)
    {
        long[] changed = [.. values];
        if (changed.Length == 0) return [random.Number(1)];
        var at = random.Next(changed.Length);
        changed[at] = random.Number(changed[at]);
        return changed;
    }

    private static (TorchView[] Views, (string Key, byte[] Data)[] Storages) Adapter(bool isOld)
    {
        using var file = TensorFiles.Open(
            Path.Combine(Golden("cases", Case), "adapter", "adapter_model.safetensors"));
        var storages = file.Tensors.Select((t, i) => ($"{i}", file.Bytes(t).ToArray())).ToArray();
        return ([.. file.Tensors.Select((t, i) => new TorchView(t.Name, $"{i}", 0, [.. t.Shape], Strides(t)))],
            storages);
    }

    private static long[] Strides(StoredTensor tensor) => [.. tensor.Shape.Select((_, d) =>
        tensor.Shape.Skip(d + 1).Aggregate(1L, (a, b) => a * b))];

    private static string Golden(string kind, string name) =>
        Path.Combine(AppContext.BaseDirectory, "golden", kind, name);
}
