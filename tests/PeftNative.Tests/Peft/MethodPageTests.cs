using System.Text;
using System.Text.Json.Nodes;
using PeftNative.Formats.Json;
using PeftNative.Peft;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Bottleneck;
using PeftNative.Peft.Lora;
using PeftNative.Peft.PTuning;
using PeftNative.Peft.PromptTuning;
using Xunit;

namespace PeftNative.Tests.Peft;

/// <summary>The pages of the methods: what every one of them must say, and what is done by what it says.</summary>
public class MethodPageTests
{
    public static TheoryData<string> Names => [.. Methods.All.Select(m => m.Name)];

    public static TheoryData<string> Variations => [.. Variants.All.Keys];

    [Fact]
    public void No_two_methods_share_a_name_or_a_type_and_each_has_a_variant_that_is_tried_out()
    {
        Assert.Distinct(Methods.All.SelectMany(m => m.Names));
        Assert.Distinct(Methods.All.Select(m => m.PeftType));
        var tried = Variants.All.Values.Select(c => c.Method).ToHashSet();
        Assert.All(Methods.All.Where(m => !m.IsBaseline), m => Assert.Contains(m, tried));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_page_is_whole(string name)
    {
        var page = Methods.Find(name);
        Assert.Same(page, page.Compared.Method);
        Assert.Distinct(page.Keys.Select(k => k.Name));
        Assert.All(page.AskedKeys, k => Assert.EndsWith(".", k.Help, StringComparison.Ordinal));
        // A range is of use only where it says which numbers have to be in it.
        Assert.All(page.Keys, k => Assert.True(k.ChecksNumbers || (k.Least ?? k.Most ?? k.Below) is null, k.Name));
        foreach (var preset in page.Presets)
        {
            Assert.Same(page, Methods.Find(preset.Name));
            Assert.All(preset.Settings, s => Assert.Contains(page.AskedKeys, k => k.Name == s.Key));
        }
    }

    [Theory]
    [MemberData(nameof(Variations))]
    public void What_is_written_reads_back_and_nothing_of_it_is_unknown(string variant)
    {
        var config = Variants.All[variant];
        var json = config.ToJson();
        if (config is BottleneckConfig) json["hidden_size"] = 8; // which the adapter adds
        var read = AdapterFolder.ReadConfig(Parse(json));
        Assert.Empty(read.IgnoredKeys);
        Assert.Equal(PeftJson.Write(config.ToJson()), PeftJson.Write(read.ToJson()));
    }

    [Theory]
    [InlineData("lora", false)]
    [InlineData("bottleneck", false)]
    [InlineData("bottleneck", true)]
    public void A_key_that_nobody_knows_is_named(string method, bool isInner)
    {
        var json = Methods.Find(method).Compared.ToJson();
        if (method == "bottleneck") json["hidden_size"] = 8;
        (isInner ? json["config"]!.AsObject() : json)["MH_Adapter"] = true;
        Assert.Equal(["MH_Adapter"], AdapterFolder.ReadConfig(Parse(json)).IgnoredKeys);
    }

    [Theory]
    [MemberData(nameof(Variations))]
    public void A_page_says_whether_adapters_can_be_merged(string variant)
    {
        using var setting = new Setting("llama");
        var isRefused = setting.Add(Variants.All[variant]).MergeRefusal is not null;
        // lora_bias has a place in some bases alone.
        if (!(Variants.All[variant] is LoraConfig { UseBias: true }))
            Assert.Equal(!isRefused, Variants.All[variant].Method.IsMergeable);
    }

    [Theory]
    [MemberData(nameof(Variations))]
    public void Settings_of_a_user_are_those_of_files(string variant)
    {
        var config = Variants.All[variant];
        if (config is BottleneckConfig hub) config = hub with { AdapterName = "default" };
        var given = config.Method.FromSettings(config.Method.Settings(config), config.BaseModel);
        Assert.Equal(PeftJson.Write(config.ToJson()), PeftJson.Write(given.ToJson()));
    }

    [Theory]
    [InlineData("lora", "use_qalora", "true")]
    [InlineData("lora", "enable_lora", "[true]")]
    [InlineData("lora", "target_parameters", """["a"]""")]
    [InlineData("bottleneck", "original_ln_after", "false")]
    [InlineData("bottleneck", "stochastic_depth", "0.1")]
    [InlineData("bottleneck", "inv_adapter", "\"nice\"")]
    [InlineData("bottleneck", "use_gating", "true")]
    public void What_would_change_the_result_is_refused_unless_it_is_off(string method, string key, string on)
    {
        var json = Methods.Find(method).Compared.ToJson();
        if (method == "bottleneck") json["hidden_size"] = 8;
        var settings = json["config"] as JsonObject ?? json;
        var off = settings[key]?.DeepClone();
        settings[key] = JsonNode.Parse(on);
        var error = Assert.Throws<ModelFormatException>(() => AdapterFolder.ReadConfig(Parse(json)));
        Assert.Contains($"'{key}' is not supported", error.What, StringComparison.Ordinal);
        settings[key] = off;
        AdapterFolder.ReadConfig(Parse(json));
        settings[key] = null;
        AdapterFolder.ReadConfig(Parse(json));
    }

    private static readonly Dictionary<string, AdapterConfig> OutOfRange = new()
    {
        ["r must be between 1 and 65536, not 0."] = new LoraConfig { R = 0 },
        ["lora_dropout must be at least 0 and less than 1, not 1."] = new LoraConfig { Dropout = 1 },
        ["lora_alpha must be a finite number, not NaN."] = new LoraConfig { Alpha = double.NaN },
        ["encoder_dropout must be at least 0 and less than 1, not -0.5."] = new PTuningConfig { EncoderDropout = -0.5 },
        ["encoder_num_layers must be between 1 and 64, not 0."] = new PTuningConfig { EncoderLayers = 0 },
        ["num_virtual_tokens must be between 1 and 65536, not 65537."] =
            new PromptTuningConfig { VirtualTokenCount = 65537 },
        ["dropout must be at least 0 and less than 1, not 1.5."] = new BottleneckConfig { Dropout = 1.5 },
        ["reduction_factor must be at least 0.001, not 1E-09."] = new BottleneckConfig { ReductionFactor = 1e-9 },
        ["reduction_factor must be at least 0.001, not 0."] = new BottleneckConfig
        {
            LayerReductionFactors = new Dictionary<int, double> { [1] = 0 },
        },
        ["scaling must be a finite number, not NaN."] = new BottleneckConfig { Scaling = double.NaN },
    };

    public static TheoryData<string> Refusals => [.. OutOfRange.Keys];

    [Theory]
    [MemberData(nameof(Refusals))]
    public void A_number_out_of_its_range_is_refused(string message)
    {
        using var setting = new Setting("llama");
        Assert.Equal(message, Assert.Throws<UsageException>(() => setting.Add(OutOfRange[message])).What);
    }

    [Fact]
    public void What_is_given_implies_more()
    {
        var prompt = (PromptTuningConfig)Methods.Find("prompt").FromSettings(
            new JsonObject { ["prompt_tuning_init_text"] = "Say it" }, "base");
        Assert.Equal((PromptInitialization.Text, "base"), (prompt.Initialization, prompt.Tokenizer));
        var bottleneck = Methods.Find("bottleneck");
        Assert.True(((BottleneckConfig)bottleneck.FromSettings([], "base")).NormBefore);
        var houlsby = (BottleneckConfig)bottleneck.FromSettings(new JsonObject { ["mh_adapter"] = true }, "base");
        Assert.False(houlsby.NormBefore);
        Assert.True(((BottleneckConfig)bottleneck.FromSettings(
            new JsonObject { ["mh_adapter"] = true, ["original_ln_before"] = true }, "base")).NormBefore);
        // What was settled before stays.
        var changed = (BottleneckConfig)bottleneck.Change(houlsby, new JsonObject { ["mh_adapter"] = false });
        Assert.Equal((false, false), (changed.AfterAttention, changed.NormBefore));
    }

    [Fact]
    public void A_scale_is_refused_where_a_method_has_none()
    {
        using var setting = new Setting("llama");
        var adapter = setting.Add(Variants.All["ia3"]);
        adapter.Scale = 1;
        Assert.Contains("IA3 has no scale", Assert.Throws<UsageException>(() => adapter.Scale = 2).What,
            StringComparison.Ordinal);
    }

    private static StrictObject Parse(JsonObject json) =>
        StrictJson.ParseObject(Encoding.UTF8.GetBytes(json.ToJsonString()));
}
