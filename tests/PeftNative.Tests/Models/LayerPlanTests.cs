using System.Text;
using PeftNative.Formats.Json;
using PeftNative.Models.Config;
using PeftNative.Models.Families;
using Xunit;

namespace PeftNative.Tests.Models;

/// <summary>What families say of each layer: windows, rotary positions, the scale of scores.</summary>
public sealed class LayerPlanTests
{
    private const string Sizes = """
        "hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 9, "num_hidden_layers": 4, "vocab_size": 17,
        "max_position_embeddings": 32
        """;

    private const string GptNeo = """
        "num_heads": 2, "num_layers": 4, "window_size": 7, "attention_types":
        """;

    [Theory]
    [InlineData("mistral", "\"sliding_window\": 5", new[] { 5, 5, 5, 5 })]
    [InlineData("mistral", "\"sliding_window\": null", new[] { 0, 0, 0, 0 })]
    [InlineData("phi3", "\"sliding_window\": 7", new[] { 7, 7, 7, 7 })]
    [InlineData("qwen2", "\"sliding_window\": 5, \"max_window_layers\": 1", new[] { 0, 0, 0, 0 })]
    [InlineData("qwen2", "\"sliding_window\": 5, \"use_sliding_window\": true, \"max_window_layers\": 1",
        new[] { 0, 5, 5, 5 })]
    [InlineData("qwen3", "\"sliding_window\": 5, \"use_sliding_window\": true, \"max_window_layers\": 3",
        new[] { 0, 0, 0, 5 })]
    [InlineData("gemma2", "\"sliding_window\": 5", new[] { 5, 0, 5, 0 })]
    [InlineData("gemma3_text", "\"sliding_window\": 5, \"sliding_window_pattern\": 3", new[] { 5, 5, 0, 5 })]
    public void A_rule_says_which_layers_have_a_window(string family, string options, int[] windows) =>
        Assert.Equal(windows, Read(family, options).Layers.Select(layer => layer.Window));

    [Theory]
    [InlineData("qwen2", "\"sliding_window\": 5, \"use_sliding_window\": true, \"max_window_layers\": 1")]
    [InlineData("qwen3", "\"sliding_window\": 5, \"use_sliding_window\": true")]
    [InlineData("gemma2", "\"sliding_window\": 5")]
    [InlineData("gemma3_text", "\"sliding_window\": 5")]
    public void Layer_types_go_before_the_rule(string family, string options)
    {
        const string types = """
            , "layer_types": ["sliding_attention", "full_attention", "full_attention", "sliding_attention"]
            """;
        Assert.Equal([5, 0, 0, 5], Read(family, options + types).Layers.Select(layer => layer.Window));
    }

    [Fact]
    public void A_type_of_layer_that_is_not_known_is_refused()
    {
        const string types = """
            "layer_types": ["full_attention", "linear_attention", "full_attention", "full_attention"]
            """;
        var error = Assert.Throws<ModelFormatException>(() => Read("qwen3", types));
        Assert.Contains("'linear_attention' is not supported", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Layers_with_a_window_may_turn_otherwise()
    {
        var layers = Read("gemma3_text", """
            "sliding_window": 5, "sliding_window_pattern": 2, "rope_local_base_freq": 500,
            "rope_scaling": {"rope_type": "linear", "factor": 8.0}
            """).Layers;
        Assert.Equal([500, 1_000_000, 500, 1_000_000], layers.Select(layer => layer.Rope!.Theta));
        Assert.Equal([1, 8, 1, 8], layers.Select(layer => layer.Rope!.Factor));
    }

    [Theory]
    [InlineData("\"no_rope_layer_interval\": 2", new[] { true, false, true, false }, new[] { 0, 0, 0, 0 })]
    [InlineData("\"no_rope_layers\": [0, 1, 1, 0], \"use_sliding_window\": true, \"sliding_window\": 5",
        new[] { false, true, true, false }, new[] { 5, 0, 0, 5 })]
    public void Layers_may_have_no_positions(string options, bool[] turns, int[] windows)
    {
        var layers = Read("smollm3", options).Layers;
        Assert.Equal(turns, layers.Select(layer => layer.Rope is not null));
        Assert.Equal(windows, layers.Select(layer => layer.Window));
    }

    [Fact]
    public void Layers_without_a_window_may_be_those_without_positions()
    {
        var layers = Read("exaone4", "\"sliding_window\": 5").Layers;
        Assert.Equal([true, true, true, false], layers.Select(layer => layer.Rope is not null));
        Assert.All(Read("exaone4", "\"sliding_window\": null").Layers, layer => Assert.NotNull(layer.Rope));
    }

    [Theory]
    [InlineData("2", new[] { 5, 0, 5, 0 })]
    [InlineData("null", new[] { 5, 5, 5, 0 })]
    [InlineData("\"GL\"", new[] { 0, 5, 0, 0 })] // the last layer sees all, whatever the word says
    [InlineData("\"LLG\"", new[] { 5, 5, 0, 0 })]
    public void Exaone_repeats_a_pattern_of_windows(string pattern, int[] windows)
    {
        var options = $"\"sliding_window\": 5, \"sliding_window_pattern\": {pattern}";
        Assert.Equal(windows, Read("exaone4", options).Layers.Select(layer => layer.Window));
        const string types = """
            , "layer_types": ["sliding_attention", "full_attention", "full_attention", "sliding_attention"]
            """;
        Assert.Equal([5, 0, 0, 5], Read("exaone4", options + types).Layers.Select(layer => layer.Window));
    }

    [Theory]
    [InlineData("0")]
    [InlineData("\"\"")]
    [InlineData("\"LLS\"")]
    [InlineData("[1]")]
    public void A_pattern_of_windows_that_is_none_is_refused(string pattern) =>
        Assert.Contains("sliding_window_pattern", Assert.Throws<ModelFormatException>(() => Read("exaone4",
            $"\"sliding_window\": 5, \"sliding_window_pattern\": {pattern}")).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("[[[\"global\", \"local\"], 2]]", new[] { 0, 7, 0, 7 })]
    [InlineData("[[[\"local\"], 1], [[\"global\"], 3]]", new[] { 7, 0, 0, 0 })]
    public void Types_of_layers_may_be_written_as_what_comes_how_often(string types, int[] windows) =>
        Assert.Equal(windows, Read("gpt_neo", GptNeo + types).Layers.Select(layer => layer.Window));

    [Theory]
    [InlineData("[[[\"global\"], 3]]", "3 entries for 4 layers")]
    [InlineData("[[[\"global\"], 2000000000]]", "5 entries for 4 layers")]
    [InlineData("[[[], 2000000000]]", "0 entries for 4 layers")]
    [InlineData("[[[\"global\", \"far\"], 2]]", "'far'")]
    [InlineData("[[\"global\", 4]]", "list of pairs")]
    [InlineData("[[[\"global\"]]]", "list of pairs")]
    public void Types_of_layers_that_do_not_fit_are_refused(string types, string what) =>
        Assert.Contains(what, Assert.Throws<ModelFormatException>(() => Read("gpt_neo", GptNeo + types)).Message,
            StringComparison.Ordinal);

    [Fact]
    public void Windows_of_Olmo_3_have_their_own_base_whatever_the_file_says()
    {
        var layers = Read("olmo3", """
            "sliding_window": 5, "rope_theta": 300.0, "rope_scaling": {"rope_type": "linear", "factor": 8.0}
            """).Layers;
        Assert.Equal([500_000, 500_000, 500_000, 300], layers.Select(layer => layer.Rope!.Theta));
        Assert.Equal([1, 1, 1, 8], layers.Select(layer => layer.Rope!.Factor));
    }

    [Fact]
    public void Scores_may_be_scaled_by_layer()
    {
        var layers = Read("gpt2", """
            "n_embd": 8, "n_head": 2, "n_layer": 3, "n_positions": 32, "scale_attn_by_inverse_layer_idx": true
            """).Layers;
        Assert.Equal([0.5, 0.25, 0.5 / 3], layers.Select(layer => layer.AttentionScale));
        Assert.All(layers, layer => Assert.Null(layer.Rope));
    }

    private static TransformerConfig Read(string family, string options) => FamilyTable.Read(StrictJson.ParseObject(
        Encoding.UTF8.GetBytes($$"""{"model_type": "{{family}}", {{Sizes}}, {{options}}}""")));
}
