using PeftNative.Formats.Safetensors;
using PeftNative.Peft;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Baselines;
using PeftNative.Peft.Bottleneck;
using PeftNative.Peft.Ia3;
using PeftNative.Peft.Lora;
using PeftNative.Peft.Matching;
using PeftNative.Peft.PrefixTuning;
using PeftNative.Peft.PromptTuning;
using PeftNative.Tensors;
using PeftNative.Tests.Data;
using Xunit;

namespace PeftNative.Tests.Peft;

/// <summary>
/// What is looked at when an adapter is loaded: its keys, its shapes, its base, and whether it does anything.
/// </summary>
public sealed class LoadingTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    // Methods that begin as the identity, and some that do not.
    private static readonly Dictionary<string, (AdapterConfig Config, bool IsIdle)> Fresh = new()
    {
        ["lora"] = (new LoraConfig(), true),
        ["lora embedding"] = (new LoraConfig { Targets = TargetModules.Of("embed_tokens") }, true),
        ["dora"] = (new LoraConfig { UseDora = true }, true), ["ia3"] = (new Ia3Config(), true),
        ["parallel"] = (BottleneckConfig.Parallel, true),
        ["bitfit"] = (new BitFitConfig(), true), ["top-layers"] = (new TopLayersConfig(), true),
        ["full"] = (new FullConfig(), true), ["head"] = (new HeadConfig(), true),
        ["houlsby"] = (BottleneckConfig.Houlsby, false), ["prompt"] = (new PromptTuningConfig(), false),
        ["prefix"] = (new PrefixTuningConfig(), false),
    };

    public static TheoryData<string> FreshNames => [.. Fresh.Keys];

    public void Dispose() => folder.Dispose();

    [Theory]
    [MemberData(nameof(FreshNames))]
    public void An_adapter_that_changes_nothing_is_noticed(string method)
    {
        using var setting = new Setting("llama");
        var bare = setting.Scores();
        var adapter = setting.Add(Fresh[method].Config);
        Assert.Equal(Fresh[method].IsIdle, adapter.ChangesNothing);
        var change = bare.Zip(setting.Scores(adapter), (a, b) => MathF.Abs(a - b)).Max();
        Assert.True(Fresh[method].IsIdle ? change < 1e-5 : change > 1e-4, $"the scores change by {change}");
        AdapterFolder.Save(adapter, folder["adapter"]);
        Assert.Equal(Fresh[method].IsIdle, AdapterFolder.Doubts(adapter, folder["adapter"])
            .Any(d => d.EndsWith("untrained one", StringComparison.Ordinal)));
        setting.Disturb();
        Assert.False(adapter.ChangesNothing);
        Assert.Empty(AdapterFolder.Doubts(adapter, folder["adapter"]));
    }

    [Fact]
    public void A_trained_head_alone_changes_something()
    {
        using var setting = new Setting("bert");
        var lora = setting.Add(new LoraConfig());
        Assert.True(lora.ChangesNothing);
        var bias = lora.Entries.Single(e => e.Key.EndsWith("classifier.bias", StringComparison.Ordinal)).Parameter;
        HostValues.Upload(setting.Model.Backend, [0f, 1e-3f, 0], bias.Value);
        Assert.False(lora.ChangesNothing);
    }

    [Fact]
    public void Missing_unexpected_and_misshapen_tensors_are_all_listed()
    {
        using var setting = new Setting("llama", "lora");
        AdapterFolder.Save(setting.Adapter, folder.Root);
        var path = Path.Combine(folder.Root, AdapterFolder.WeightsName);
        var writer = SafetensorsWriter.ForPyTorch();
        using (var file = SafetensorsFile.Open(path))
        {
            var names = file.Tensors.Select(t => t.Name).Order(StringComparer.Ordinal).ToList();
            foreach (var name in names.Skip(1)) // the first is missing
                writer.Add(name, name == names[1] ? [7, 1]
                    : file.Get(name).Shape.AsSpan(), new float[name == names[1] ? 7 : file.Get(name).ElementCount]);
            writer.Add("stray.weight", [1], new float[1]);
        }
        writer.Save(path);
        var error = Assert.Throws<ModelFormatException>(() => AdapterFolder.Load(setting.Model, folder.Root));
        Assert.Contains("missing: base_model.model.", error.What, StringComparison.Ordinal);
        Assert.Contains("unexpected: stray.weight", error.What, StringComparison.Ordinal);
        Assert.Contains("is [7, 1], expected [", error.What, StringComparison.Ordinal);
        Assert.Equal((4, path), (error.ExitCode, error.Where));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(0)]
    public void A_few_strays_are_left_out_and_as_many_as_fit_are_refused(int fewer)
    {
        using var setting = new Setting("llama", "lora");
        AdapterFolder.Save(setting.Adapter, folder.Root);
        var path = Path.Combine(folder.Root, AdapterFolder.WeightsName);
        var writer = SafetensorsWriter.ForPyTorch();
        using (var file = SafetensorsFile.Open(path))
        {
            var (own, strays) = (file.Tensors, file.Tensors.Length - fewer);
            foreach (var tensor in own) writer.Add(tensor.Name, tensor.Shape.AsSpan(), new float[tensor.ElementCount]);
            for (var i = 0; i < strays; i++) writer.Add($"base_model.model.model.layers.9.stray{i}", [1], new float[1]);
        }
        writer.Save(path);
        if (fewer == 0)
        {
            var error = Assert.Throws<ModelFormatException>(() => AdapterFolder.Load(setting.Model, folder.Root));
            Assert.Contains("unexpected: base_model.model.model.layers.9.stray0", error.What, StringComparison.Ordinal);
            return;
        }
        using var adapter = AdapterFolder.Load(setting.Model, folder.Root);
        Assert.Contains("layers.9.stray0", Assert.Single(adapter.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void An_adapter_of_another_family_does_not_fit_and_names_its_base()
    {
        using var llama = new Setting("llama");
        AdapterFolder.Save(llama.Add(new LoraConfig { BaseModel = "someone/llama" }), folder.Root);
        using var gpt2 = new Setting("gpt2");
        var error = Assert.Throws<ModelFormatException>(() => AdapterFolder.Load(gpt2.Model, folder.Root));
        Assert.Contains("does not fit this gpt2 model", error.What, StringComparison.Ordinal);
        Assert.Contains("someone/llama", error.Remedy, StringComparison.Ordinal);
    }

    [Fact]
    public void Another_base_is_known_by_its_weights_and_else_by_its_name()
    {
        var (own, other) = (Model("own", 1), Model("other", 2));
        Directory.CreateDirectory(folder["adapter"]);
        folder.Write("adapter/adapter_config.json",
            """{"peft_type": "LORA", "base_model_name_or_path": "someone/own"}""");
        var adapter = folder["adapter"];
        Assert.Null(BaseIdentity.Mismatch(adapter, own));
        Assert.Contains("someone/own", BaseIdentity.Mismatch(adapter, other), StringComparison.Ordinal);
        Assert.Null(BaseIdentity.Mismatch(adapter, Model("cache/models--someone--own/snapshots/0123", 2)));

        folder.Write("adapter/base.json", BaseIdentity.Write(own));
        Assert.Null(BaseIdentity.Mismatch(adapter, own));
        Assert.Null(BaseIdentity.Mismatch(adapter, Model("renamed", 1)));
        Assert.Contains("not those of", BaseIdentity.Mismatch(adapter, other), StringComparison.Ordinal);
        Assert.Contains("not those of", BaseIdentity.Mismatch(adapter, Model("elsewhere/own", 2)),
            StringComparison.Ordinal);
    }

    private string Model(string name, int seed)
    {
        Directory.CreateDirectory(folder[name]);
        var writer = SafetensorsWriter.ForPyTorch();
        writer.Add("w", [40, 50], Enumerable.Range(0, 2000).Select(i => MathF.Sin(seed * i)).ToArray());
        writer.Save(Path.Combine(folder[name], "model.safetensors"));
        return folder[name];
    }
}
