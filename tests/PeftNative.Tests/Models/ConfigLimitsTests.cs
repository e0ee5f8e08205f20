using System.Text;
using PeftNative.Backends.Reference;
using PeftNative.Formats.Json;
using PeftNative.Models;
using PeftNative.Models.Config;
using PeftNative.Models.Families;
using PeftNative.Models.Loading;
using PeftNative.Models.Steps;
using PeftNative.Tensors;
using Xunit;

namespace PeftNative.Tests.Models;

/// <summary>
/// Numbers of a config.json or a batch that would lead kernels outside of their tables end in a typed error.
/// </summary>
public sealed class ConfigLimitsTests
{
    private const string Llama = """
        {"model_type": "llama", "hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 9,
         "num_hidden_layers": 1, "vocab_size": 17, "max_position_embeddings": 32, OPTIONS}
        """;

    private const string NeoX = """
        {"model_type": "gpt_neox", "hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 9,
         "num_hidden_layers": 1, "vocab_size": 17, "max_position_embeddings": 32, OPTIONS}
        """;

    private const string Gemma3 = """
        {"model_type": "gemma3_text", "hidden_size": 8, "num_attention_heads": 2, "num_key_value_heads": 1,
         "head_dim": 4, "intermediate_size": 9, "num_hidden_layers": 2, "vocab_size": 17,
         "max_position_embeddings": 32, OPTIONS}
        """;

    [Theory]
    [InlineData(Llama, "\"head_dim\": 3", "rotary positions of 3")]
    [InlineData(Llama, "\"head_dim\": 16777216, \"num_key_value_heads\": 1", "more than")]
    [InlineData(Llama, "\"num_key_value_heads\": 3", "share")]
    [InlineData(Llama, "\"num_key_value_heads\": 4", "share")]
    [InlineData(Llama, "\"num_attention_heads\": 0", "num_attention_heads")]
    [InlineData(Llama, "\"head_dim\": -2", "head_dim")]
    [InlineData(Llama, "\"vocab_size\": 0", "vocab_size")]
    [InlineData(Llama, """
        "rope_scaling": {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 0}
        """, "original_max_position_embeddings")]
    [InlineData(NeoX, "\"rotary_pct\": 2", "rotary positions of 8")]
    [InlineData(NeoX, "\"rotary_pct\": -0.5", "rotary positions of -2")]
    [InlineData(NeoX, "\"rotary_pct\": 0.25", "rotary positions of 1")]
    [InlineData(Gemma3, "\"sliding_window\": -1", "sliding_window")]
    [InlineData(Gemma3, "\"sliding_window\": 4, \"layer_types\": [\"sliding_attention\"]", "layer_types has 1")]
    [InlineData(Gemma3, """
        "rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 1000.0},
                            "sliding_attention": {"rope_type": "default", "partial_rotary_factor": 2}}
        """, "rotary positions of 8")]
    public void A_config_that_does_not_fit_itself_is_refused(string config, string options, string what) =>
        Assert.Contains(what, Assert.Throws<ModelFormatException>(() => Read(config, options)).Message,
            StringComparison.Ordinal);

    [Fact]
    public void A_share_of_a_head_that_is_no_column_turns_nothing() =>
        Assert.Null(Read(NeoX, "\"rotary_pct\": 0.2").Layers[0].Rope);

    [Theory]
    [InlineData(new[] { 1, 17 }, null)]
    [InlineData(new[] { 1, -1 }, null)]
    [InlineData(new[] { 1, 2 }, new[] { -1, 0 })]
    public void Tokens_and_positions_outside_of_the_tables_are_refused(int[] tokens, int[]? positions)
    {
        using var backend = ReferenceBackend.Create(DType.Float32);
        var config = Read(Llama, "\"attention_bias\": true") with { Task = ModelTask.CausalLM };
        using var model = ModelLoader.CreateRandom(backend, config, seed: 1);
        using var run = new ModelRun(model);
        Assert.Throws<DataException>(() => run.Forward(new TokenBatch(tokens, [0, 2], positions)));
    }

    // A key that is there already is replaced: twice the same is no JSON.
    private static TransformerConfig Read(string config, string options)
    {
        var key = options[..options.IndexOf(':')];
        var kept = config.Split(',').Where(part => !part.Contains(key + ":", StringComparison.Ordinal));
        var text = string.Join(',', kept).Replace("OPTIONS", options, StringComparison.Ordinal);
        return FamilyTable.Read(StrictJson.ParseObject(Encoding.UTF8.GetBytes(text)));
    }
}
