using PeftNative.Models;
using PeftNative.Peft;
using PeftNative.Tests.Data;
using PeftNative.Tests.Models;
using Xunit;

namespace PeftNative.Tests.Peft;

/// <summary>What holds for the adapters of every method: files, merging, switching on and off.</summary>
public class AdapterBehaviourTests
{
    private static readonly string[] Families = ["gpt2", "llama", "bert", "t5"];
    private static readonly string[] Mergeable = ["lora", "dora", "ia3", "bitfit", "top-layers"];

    public static TheoryData<string, string> Cases
    {
        get
        {
            var cases = new TheoryData<string, string>();
            foreach (var method in Variants.All.Keys)
                foreach (var family in Families)
                    if ((method, family) != ("bitfit", "t5")) cases.Add(method, family); // it has no biases
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_saved_and_loaded_adapter_gives_the_same_scores_bit_for_bit(string method, string family)
    {
        using var setting = new Setting(family, method);
        using var folder = new TemporaryFolder();
        setting.Disturb();
        var expected = setting.Scores(setting.Adapter);
        AdapterFolder.Save(setting.Adapter, folder["adapter"]);
        using var loaded = AdapterFolder.Load(setting.Model, folder["adapter"], name: "other");
        Assert.Equal(expected, setting.Scores(loaded));
        Assert.False(loaded.IsTrainable);

        AdapterFolder.Save(loaded, folder["again"]);
        foreach (var file in Directory.GetFiles(folder["adapter"]))
            Assert.Equal(File.ReadAllBytes(file),
                File.ReadAllBytes(Path.Combine(folder["again"], Path.GetFileName(file))));
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void An_adapter_switched_off_leaves_the_base_bit_for_bit_and_comes_back(string method, string family)
    {
        using var setting = new Setting(family, method);
        var bare = setting.Scores();
        setting.Disturb();
        var with = setting.Scores(setting.Adapter);
        Assert.NotEqual(bare, with);
        Assert.Equal(bare, setting.Scores());
        Assert.Equal(with, setting.Scores(setting.Adapter));
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Merging_gives_the_same_scores_or_is_refused_with_a_reason(string method, string family)
    {
        using var setting = new Setting(family, method);
        setting.Disturb();
        var (bare, with) = (setting.Scores(), setting.Scores(setting.Adapter));
        if (!Mergeable.Contains(method))
        {
            Assert.Contains("cannot be merged", Assert.Throws<UsageException>(setting.Adapter.Merge).Message,
                StringComparison.Ordinal);
            Assert.Equal(bare, setting.Scores());
            return;
        }
        setting.Adapter.Merge();
        AssertClose(with, setting.Scores());
        setting.Adapter.Unmerge();
        AssertClose(bare, setting.Scores());
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Two_runs_share_an_adapter_that_was_loaded_for_use(string method, string family)
    {
        using var setting = new Setting(family, method);
        using var folder = new TemporaryFolder();
        setting.Disturb();
        AdapterFolder.Save(setting.Adapter, folder.Root);
        using var loaded = AdapterFolder.Load(setting.Model, folder.Root);
        using var other = new ModelRun(setting.Model, loaded);
        var expected = setting.Scores(loaded);

        // The runs' steps alternate.
        setting.Run.Forward(TinyModels.Batch(setting.Model));
        other.Forward(TinyModels.Batch(setting.Model));
        Assert.Equal(expected, Setting.Scores(setting.Run));
        Assert.Equal(expected, Setting.Scores(other));
    }

    private static void AssertClose(float[] expected, float[] actual)
    {
        for (var i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 2e-5f);
    }
}
