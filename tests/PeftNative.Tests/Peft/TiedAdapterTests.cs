using PeftNative.Peft;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Baselines;
using PeftNative.Peft.Ia3;
using PeftNative.Peft.Lora;
using PeftNative.Peft.Matching;
using PeftNative.Peft.Tokens;
using PeftNative.Tensors;
using PeftNative.Tests.Data;
using PeftNative.Tests.Models;
using PeftNative.Training.Optimization;
using Xunit;

namespace PeftNative.Tests.Peft;

/// <summary>
/// Adapters at a tied embedding or head: what one side gets the other does not, as in PEFT, unless ensure_weight_tying
/// acts.
/// </summary>
public class TiedAdapterTests
{
    private static readonly LoraConfig Lora = new() { R = 3, Initialization = LoraInitialization.Random };

    /// <summary>By name: the family, the adapter, and whether it leaves the tie.</summary>
    private static readonly Dictionary<string, (string Family, AdapterConfig Config, bool StaysTied)> All = new()
    {
        ["save embed_tokens"] = ("llama", Lora with { ModulesToSave = ["embed_tokens"] }, false),
        ["save lm_head"] = ("llama", Lora with { ModulesToSave = ["lm_head"] }, false),
        ["save both"] = ("llama", Lora with { ModulesToSave = ["embed_tokens", "lm_head"] }, false),
        ["save wte"] = ("gpt2", Lora with { ModulesToSave = ["wte"] }, false),
        ["save lm_head of gpt2"] = ("gpt2", Lora with { ModulesToSave = ["lm_head"] }, false),
        ["save lm_head of t5"] = ("t5", Lora with { ModulesToSave = ["lm_head"] }, false),
        ["lora embed_tokens"] = ("llama", Lora with { Targets = TargetModules.Of("embed_tokens", "q_proj") }, false),
        ["lora lm_head"] = ("llama", Lora with { Targets = TargetModules.Of("lm_head", "q_proj") }, false),
        ["lora both"] = ("llama", Lora with { Targets = TargetModules.Of("embed_tokens", "lm_head") }, false),
        ["lora wte"] = ("gpt2", Lora with { Targets = TargetModules.Of("wte") }, false),
        ["dora lm_head"] = ("gpt2", Lora with { Targets = TargetModules.Of("lm_head"), UseDora = true }, false),
        ["dora wte"] = ("gpt2", Lora with { Targets = TargetModules.Of("wte"), UseDora = true }, false),
        ["dora embed_tokens"] =
            ("gemma", Lora with { Targets = TargetModules.Of("embed_tokens", "q_proj"), UseDora = true }, false),
        ["lora lm_head of t5"] = ("t5", Lora with { Targets = TargetModules.Of("lm_head", "q") }, false),
        ["lora embed_tokens, save lm_head"] =
            ("llama", Lora with { Targets = TargetModules.Of("embed_tokens"), ModulesToSave = ["lm_head"] }, false),
        ["tokens"] = ("llama", Lora with { TrainableTokens = TokenIndices.Of(9, 5, 1) }, true),
        ["tokens of gpt2"] = ("gpt2", Lora with { TrainableTokens = Tokens(("wte", [5, 2])) }, true),
        ["tokens of t5"] = ("t5", Lora with { TrainableTokens = Tokens(("shared", [1, 9, 3])) }, true),
        ["tokens of gemma"] = ("gemma", Lora with { TrainableTokens = TokenIndices.Of(5, 9) }, true),
        ["tokens of lm_head"] = ("llama", Lora with { TrainableTokens = Tokens(("lm_head", [5, 2])) }, false),
        ["tokens of both"] =
            ("llama", Lora with { TrainableTokens = Tokens(("embed_tokens", [1, 5]), ("lm_head", [5])) }, false),
        ["ia3 lm_head"] = ("llama", new Ia3Config { StartsAtOne = false, Targets = TargetModules.Of("lm_head"),
            FeedForward = TargetModules.Of([]) }, false),
        ["full"] = ("llama", new FullConfig(), true),
        ["bitfit"] = ("gpt2", new BitFitConfig(), true),
        ["save embed_tokens, ensure"] =
            ("llama", Lora with { ModulesToSave = ["embed_tokens"], EnsureWeightTying = true }, true),
        ["save lm_head, ensure"] = ("llama", Lora with { ModulesToSave = ["lm_head"], EnsureWeightTying = true }, true),
        ["save both, ensure"] = ("llama",
            Lora with { ModulesToSave = ["lm_head", "embed_tokens"], EnsureWeightTying = true }, true),
        ["save wte, ensure"] = ("gpt2", Lora with { ModulesToSave = ["wte"], EnsureWeightTying = true }, false),
        ["lora embed_tokens, ensure"] =
            ("llama", Lora with { Targets = TargetModules.Of("embed_tokens"), EnsureWeightTying = true }, true),
        ["lora lm_head, ensure"] =
            ("llama", Lora with { Targets = TargetModules.Of("lm_head"), EnsureWeightTying = true }, true),
        ["lora pattern, ensure"] = ("llama",
            Lora with { Targets = new TargetModules(null, ".*(q_proj|lm_head)"), EnsureWeightTying = true }, true),
    };

    public static TheoryData<string> Names => [.. All.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Merging_gives_the_scores_of_the_adapter_and_unties_only_where_it_must(string name)
    {
        using var setting = Make(name);
        var (bare, with) = (setting.Scores(), setting.Scores(setting.Adapter));
        Assert.NotEqual(bare, with);
        setting.Adapter.Merge();
        AssertClose(with, setting.Scores());
        Assert.Equal(All[name].StaysTied, setting.Model.Head.Output!.Weight.TiedTo is not null);
        setting.Adapter.Unmerge();
        AssertClose(bare, setting.Scores());
    }

    /// <summary>Those of methods that have files.</summary>
    public static TheoryData<string> NamesWithFiles =>
        [.. All.Where(a => a.Value.Config is LoraConfig or Ia3Config).Select(a => a.Key)];

    [Theory]
    [MemberData(nameof(NamesWithFiles))]
    public void A_saved_adapter_loads_and_gives_the_same_scores_bit_for_bit(string name)
    {
        using var setting = Make(name);
        using var folder = new TemporaryFolder();
        AdapterFolder.Save(setting.Adapter, folder["adapter"]);
        using var loaded = AdapterFolder.Load(setting.Model, folder["adapter"]);
        Assert.Equal(setting.Scores(setting.Adapter), setting.Scores(loaded));
        AdapterFolder.Save(loaded, folder["again"]);
        foreach (var file in Directory.GetFiles(folder["adapter"]))
            Assert.Equal(File.ReadAllBytes(file),
                File.ReadAllBytes(Path.Combine(folder["again"], Path.GetFileName(file))));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Gradients_match_finite_differences(string name) => ModelGradients.Check(
        All[name].Family, TaskOf(All[name].Family), null, All[name].Config);

    [Theory]
    [InlineData("embed_tokens", true)]
    [InlineData("lm_head", false)]
    public void A_copy_of_one_side_leaves_the_other_the_bases(string module, bool isEmbedding)
    {
        using var setting = new Setting("llama", ModelTask.CausalLM);
        var (table, head) = (setting.Model.Embedding.Table, setting.Model.Head.Output!.Weight);
        var adapter = setting.Add(Lora with { ModulesToSave = [module] });
        setting.Disturb();
        setting.Run.Adapters = [adapter];
        Assert.Same(isEmbedding ? adapter.Replacement(table.Index) : table, setting.Run.Pass.Adapters.Resolve(table));
        Assert.Same(isEmbedding ? table : adapter.Replacement(head.Index), setting.Run.Pass.Adapters.Resolve(head));
        Assert.Contains(module, Assert.Single(adapter.Doubts), StringComparison.Ordinal);
    }

    [Fact]
    public void Files_of_a_tie_kept_have_both_keys_and_the_names_that_PEFT_writes()
    {
        using var saved = Make("save both, ensure");
        Assert.Equal(["embed_tokens", "model.embed_tokens"], saved.Adapter.Config.ModulesToSave!);
        var keys = saved.Adapter.StoredEntries.Select(e => e.Key).ToList();
        Assert.Contains("base_model.model.model.embed_tokens.weight", keys);
        Assert.Contains("base_model.model.lm_head.weight", keys);
        Assert.Equal(saved.Adapter.Entries.Count + 1, keys.Count);

        using var lora = Make("lora lm_head, ensure");
        Assert.Equal(["model.embed_tokens"], ((LoraConfig)lora.Adapter.Config).Targets!.Names!);
        Assert.Equal(["lm_head.lora_A", "lm_head.lora_B", "model.embed_tokens.lora_embedding_A",
            "model.embed_tokens.lora_embedding_B"],
            lora.Adapter.Entries.Select(e => e.Parameter.Name).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Steps_of_the_two_sides_of_one_low_rank_pair_add_up()
    {
        using var setting = new Setting("llama", ModelTask.CausalLM);
        var adapter = setting.Add(All["lora embed_tokens, ensure"].Config);
        var backend = setting.Model.Backend;
        var parts = adapter.Entries.ToDictionary(e => e.Parameter.Name[(e.Parameter.Name.LastIndexOf('.') + 1)..],
            e => e.Parameter);
        var (a, b) = (parts["lora_embedding_A"], parts["lora_B"]);
        using var optimizer = new AdamW(backend, adapter.Buffer, new AdamWOptions { MaxGradientNorm = 0 });
        var before = HostValues.Download(backend, a.Value);
        // Adam's first step is the rate, by the sign of the gradient: of the embedding's side up, of the head's up for
        // the first half, down for the rest.
        HostValues.Upload(backend, Enumerable.Repeat(-1f, (int)a.Count).ToArray(), a.Gradient);
        HostValues.Upload(backend, [.. Enumerable.Range(0, (int)b.Count).Select(i => i < b.Count / 2 ? -1f : 1f)],
            b.Gradient);
        optimizer.Step(0.01, 1);
        var (after, turned) = (HostValues.Download(backend, a.Value), HostValues.Download(backend, b.Value));
        for (var row = 0; row < a.Rows; row++)
        for (var column = 0; column < a.Columns; column++)
        {
            var i = row * a.Columns + column;
            var step = column * a.Rows + row < b.Count / 2 ? 0.02f : 0;
            Assert.Equal(before[i] + step, after[i], 1e-5f);
            Assert.Equal(after[i], turned[column * a.Rows + row]);
        }
    }

    [Theory]
    [InlineData("gpt2", "lm_head")]
    [InlineData("t5", "lm_head")]
    public void The_option_is_refused_where_PEFT_could_not_read_its_files(string family, string module)
    {
        using var setting = new Setting(family, TaskOf(family));
        Assert.Contains("ensure_weight_tying", Assert.Throws<UsageException>(() =>
            setting.Add(Lora with { ModulesToSave = [module], EnsureWeightTying = true })).Message,
                StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("lora")]
    [InlineData("save")]
    public void An_adapter_at_the_embedding_of_T5_changes_nothing_and_is_not_trained(string kind)
    {
        var config = kind == "lora" ? Lora with { Targets = TargetModules.Of("q", "shared") } : Lora
            with { ModulesToSave = ["shared"] };
        using var setting = new Setting("t5", ModelTask.SequenceToSequence);
        Assert.Contains("changes nothing", Assert.Throws<UsageException>(() => setting.Add(config)).Message,
            StringComparison.Ordinal);
        var plain = setting.Add(Lora with { Targets = TargetModules.Of("q") });
        var adapter = setting.Add(config
            with { IsStored = true, Targets = kind == "lora" ? config.Targets : TargetModules.Of("q") });
        setting.Disturb();
        foreach (var entry in adapter.Entries)
            if (plain.Entries.FirstOrDefault(e => e.Key == entry.Key) is { } same)
                HostValues.Copy(setting.Model.Backend, same.Parameter.Value, entry.Parameter.Value);
        Assert.Equal(setting.Scores(plain), setting.Scores(adapter));
        Assert.Contains("shared", Assert.Single(adapter.Doubts), StringComparison.Ordinal);
    }

    private static TokenIndices Tokens(params IReadOnlyList<(string, IReadOnlyList<int>)> modules) =>
        new(null, modules);

    private static Setting Make(string name)
    {
        var (family, config, _) = All[name];
        var setting = new Setting(family, TaskOf(family));
        setting.Add(config);
        setting.Disturb();
        if (!(config is LoraConfig { EnsureWeightTying: true, Targets: not null })) return setting;
        // What is disturbed apart comes together again in the next step, here of a rate of zero.
        using var optimizer = new AdamW(setting.Model.Backend, setting.Adapter.Buffer, new AdamWOptions());
        optimizer.Step(0, 1);
        return setting;
    }

    private static ModelTask TaskOf(string family) => family == "t5" ? ModelTask.SequenceToSequence
        : ModelTask.CausalLM;

    private static void AssertClose(float[] expected, float[] actual)
    {
        for (var i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 5e-5f);
    }
}
