using System.Text;
using System.Text.Json.Nodes;
using PeftNative.Backends.Reference;
using PeftNative.Formats.Json;
using PeftNative.Models.Families;
using PeftNative.Models.Loading;
using PeftNative.Peft;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Ia3;
using PeftNative.Peft.Lora;
using PeftNative.Peft.Matching;
using PeftNative.Peft.Merging;
using PeftNative.Tensors;
using PeftNative.Tests.Data;
using Xunit;

namespace PeftNative.Tests.Peft;

/// <summary>
/// What is trained is what the saved settings say, here and in PEFT: patterns, IA3's feed-forward modules, modules
/// trained whole.
/// </summary>
public sealed class StoredSettingsTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Overlapping_patterns_are_written_so_that_the_order_of_their_keys_does_not_matter()
    {
        using var setting = new Setting("llama");
        var config = new LoraConfig
        {
            Targets = TargetModules.Of("q_proj", "v_proj", "down_proj"),
            RankPattern = [("q_proj", 2), ("layers.1.self_attn.q_proj", 3), ("down_proj", 5)],
            AlphaPattern = [("q_proj", 2), (@"layers\.\d\.self_attn\..*", 30)],
        };
        var expected = Saved(setting, config);
        var json = Config();
        string[] expectedKeys = ["down_proj", "model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.q_proj"];
        Assert.Equal(expectedKeys, Keys(json, "rank_pattern"));
        Assert.Equal(4, Keys(json, "alpha_pattern").Length);
        foreach (var key in (string[])["rank_pattern", "alpha_pattern"])
            json[key] = new JsonObject(json[key]!.AsObject().Reverse()
                .Select(p => KeyValuePair.Create(p.Key, p.Value?.DeepClone())));
        folder.Write(AdapterFolder.ConfigName, json.ToJsonString());
        using var loaded = AdapterFolder.Load(setting.Model, folder.Root);
        Assert.Empty(loaded.Warnings);
        Assert.Equal(expected, setting.Scores(loaded));
    }

    [Fact]
    public void A_file_that_depends_on_the_order_of_keys_is_warned_of_and_ranks_that_do_not_fit_say_so()
    {
        using var setting = new Setting("llama");
        Saved(setting, new LoraConfig { Targets = TargetModules.Of("q_proj"), R = 2 });
        var json = Config();
        json["alpha_pattern"] = new JsonObject { ["layers.1.self_attn.q_proj"] = 30, ["q_proj"] = 2 };
        folder.Write(AdapterFolder.ConfigName, json.ToJsonString());
        using (var loaded = AdapterFolder.Load(setting.Model, folder.Root))
            Assert.Contains("both fit model.layers.1", Assert.Single(loaded.Warnings), StringComparison.Ordinal);

        json["alpha_pattern"] = new JsonObject();
        json["rank_pattern"] = new JsonObject { ["layers.1.self_attn.q_proj"] = 3, ["q_proj"] = 2 };
        folder.Write(AdapterFolder.ConfigName, json.ToJsonString());
        var error = Assert.Throws<ModelFormatException>(() => AdapterFolder.Load(setting.Model, folder.Root));
        Assert.Contains("keys layers.1.self_attn.q_proj and q_proj both fit", error.What, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(2.5)]
    public void Ranks_that_are_none_are_refused(double rank)
    {
        using var setting = new Setting("llama");
        var config = new LoraConfig { RankPattern = [("q_proj", rank)] };
        var error = Assert.Throws<UsageException>(() => setting.Add(config));
        Assert.Contains("q_proj", error.What, StringComparison.Ordinal);
        var json = StrictJson.ParseObject(Encoding.UTF8.GetBytes(
            $$$"""{"peft_type": "LORA", "rank_pattern": {"q_proj": {{{rank}}}}}"""));
        var broken = Assert.Throws<ModelFormatException>(() => AdapterFolder.ReadConfig(json));
        Assert.Contains("rank_pattern", broken.Where, StringComparison.Ordinal);
    }

    // bert's default for the input side, output.dense, is no end of "dense", which fits more.
    [Theory]
    [InlineData("llama", "q_proj,v_proj", "")]
    [InlineData("llama", "q_proj,mlp.down_proj", "mlp.down_proj")]
    [InlineData("llama", "all-linear", "model.layers.0.mlp.down_proj,model.layers.1.mlp.down_proj")]
    [InlineData("bert", "intermediate.dense,output.dense", "output.dense")]
    [InlineData("bert", "key,dense", "bert.encoder.layer.0.attention.output.dense,bert.encoder.layer.0.output.dense,"
        + "bert.encoder.layer.1.attention.output.dense,bert.encoder.layer.1.output.dense")]
    public void IA3s_input_side_is_saved_as_a_part_of_its_targets(string family, string targets, string inner)
    {
        using var setting = new Setting(family);
        var names = targets == "all-linear" ? new TargetModules(null, targets) : TargetModules.Of(targets.Split(','));
        var expected = Saved(setting, new Ia3Config { Targets = names });
        Assert.Equal(inner, string.Join(',', Names("feedforward_modules")));
        Assert.Subset(Names("target_modules").ToHashSet(), Names("feedforward_modules").ToHashSet());
        using var loaded = AdapterFolder.Load(setting.Model, folder.Root);
        Assert.Equal(expected, setting.Scores(loaded));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("q_proj")]
    public void IA3s_input_side_beside_its_targets_is_refused(string? targets)
    {
        using var setting = new Setting("llama");
        var config = new Ia3Config
        {
            Targets = targets is null ? null : TargetModules.Of(targets), FeedForward = TargetModules.Of("up_proj"),
        };
        var error = Assert.Throws<UsageException>(() => setting.Add(config));
        Assert.Contains("'up_proj', which is not among target_modules", error.What, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("lora")]
    [InlineData("ia3")]
    [InlineData("prompt")]
    public void Keys_that_no_release_knows_are_passed_over_with_a_warning(string method)
    {
        using var setting = new Setting("llama");
        var expected = Saved(setting, Variants.All[method]);
        Change(("brand_new", null), ("other_new", 3), ("use_everything", true), ("alora_invocation_tokens", null));
        using var loaded = AdapterFolder.Load(setting.Model, folder.Root);
        Assert.Equal(expected, setting.Scores(loaded));
        var warning = Assert.Single(loaded.Warnings);
        Assert.Contains("brand_new, other_new, use_everything", warning, StringComparison.Ordinal);
        Assert.Equal(method != "lora", warning.Contains("alora", StringComparison.Ordinal));
        AdapterFolder.Save(loaded, folder.Root);
        Assert.DoesNotContain("other_new", Config());
    }

    [Theory]
    [InlineData("alora_invocation_tokens")]
    [InlineData("layer_replication")]
    [InlineData("loftq_config")]
    [InlineData("enable_lora")]
    public void Keys_that_are_known_to_change_the_result_are_refused(string key)
    {
        using var setting = new Setting("llama");
        Saved(setting, new LoraConfig());
        Change((key, new JsonArray(1, 2)));
        var error = Assert.Throws<ModelFormatException>(() => AdapterFolder.Load(setting.Model, folder.Root));
        Assert.Contains($"'{key}' is not supported", error.What, StringComparison.Ordinal);
    }

    private void Change(params (string Key, JsonNode? Value)[] changes)
    {
        var json = Config();
        foreach (var (key, value) in changes) json[key] = value;
        folder.Write(AdapterFolder.ConfigName, json.ToJsonString());
    }

    [Fact]
    public void A_module_that_is_trained_whole_is_not_adapted_as_well()
    {
        using var setting = new Setting("distilbert");
        var expected = Saved(setting, new LoraConfig { Targets = new TargetModules(null, "all-linear") });
        var adapter = setting.Adapter;
        var keys = adapter.Entries.Select(e => e.Key).Where(k => k.Contains("pre_", StringComparison.Ordinal));
        Assert.Equal(["base_model.model.pre_classifier.bias", "base_model.model.pre_classifier.weight"], keys.Order());
        Assert.DoesNotContain("pre_classifier", Names("target_modules"));
        adapter.Merge();
        Assert.True(expected.Zip(setting.Scores(), (a, b) => MathF.Abs(a - b)).Max() < 1e-5);

        var both = new LoraConfig { Targets = TargetModules.Of("q_lin", "pre_classifier") };
        var error = Assert.Throws<UsageException>(() => setting.Add(both));
        Assert.Contains("pre_classifier, which modules_to_save trains whole", error.What, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("opt", ModelTask.SequenceClassification, "OPTForSequenceClassification")]
    [InlineData("gpt_neox", ModelTask.SequenceClassification, "GPTNeoXForSequenceClassification")]
    [InlineData("gpt_neox", ModelTask.TokenClassification, "GPTNeoXForTokenClassification")]
    [InlineData("mt5", ModelTask.SequenceToSequence, "MT5ForConditionalGeneration")]
    [InlineData("gpt2", ModelTask.CausalLM, "GPT2LMHeadModel")]
    [InlineData("gpt2", ModelTask.SequenceClassification, "GPT2ForSequenceClassification")]
    [InlineData("gemma3_text", ModelTask.CausalLM, "Gemma3ForCausalLM")]
    [InlineData("gemma3_text", ModelTask.SequenceClassification, "Gemma3TextForSequenceClassification")]
    [InlineData("distilbert", ModelTask.TokenClassification, "DistilBertForTokenClassification")]
    public void A_family_names_its_classes(string family, ModelTask task, string name) =>
        Assert.Equal(name, FamilyTable.Find(family, "").ClassFor(task));

    [Theory]
    [InlineData("opt-causal", "OPTForSequenceClassification")]
    [InlineData("gpt_neox-causal", "GPTNeoXForSequenceClassification")]
    public void A_merged_classifier_names_its_class_where_its_base_names_none(string source, string name)
    {
        var given = SharedFolder.PathOrSkip($"golden/bases/{source}");
        var (model, adapter) = (folder["model"], folder["adapter"]);
        Directory.CreateDirectory(model);
        foreach (var file in Directory.GetFiles(given)) File.Copy(file, Path.Combine(model, Path.GetFileName(file)));
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(model, "config.json")))!.AsObject();
        config.Remove("architectures");
        File.WriteAllText(Path.Combine(model, "config.json"), config.ToJsonString());
        using var backend = ReferenceBackend.Create(DType.Float32);
        var options = new ModelOptions { Task = ModelTask.SequenceClassification, Labels = ["a", "b"] };
        var (loaded, _) = ModelLoader.Load(backend, model, options);
        using (loaded)
        using (var trained = new LoraConfig().Create(loaded, seed: 1, trainable: true, "default"))
            AdapterFolder.Save(trained, adapter);
        ModelMerger.Merge(backend, model, [new AdapterSource(adapter)], folder["merged"]);
        var written = JsonNode.Parse(File.ReadAllText(folder["merged/config.json"]))!;
        Assert.Equal(name, (string?)written["architectures"]![0]);
    }

    // Scores with a trained adapter of the settings, which is then in the folder.
    private float[] Saved(Setting setting, AdapterConfig config)
    {
        var adapter = setting.Add(config);
        setting.Disturb();
        AdapterFolder.Save(adapter, folder.Root);
        return setting.Scores(adapter);
    }

    private JsonObject Config() => JsonNode.Parse(File.ReadAllText(folder[AdapterFolder.ConfigName]))!.AsObject();

    private string[] Names(string key) => [.. Config()[key]!.AsArray().Select(n => (string)n!)];

    private static string[] Keys(JsonObject json, string key) =>
        [.. json[key]!.AsObject().Select(p => p.Key).Order(StringComparer.Ordinal)];
}
