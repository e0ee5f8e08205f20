using System.Text;
using PeftNative.Formats.Json;
using PeftNative.Models.Config;
using PeftNative.Models.Families;
using Xunit;

namespace PeftNative.Tests.Models;

/// <summary>Which lengths and factors rotary scalings go by.</summary>
public sealed class RopeReadingTests
{
    [Theory]
    [InlineData("\"original_max_position_embeddings\": 8,", "")]
    [InlineData("", "\"original_max_position_embeddings\": 8")]
    public void Dynamic_scaling_begins_beyond_what_the_model_takes(string outer, string inner)
    {
        var rope = Rope("llama", outer, "dynamic", inner);
        Assert.Equal(32, rope.OriginalMaxPositions);
        var plain = RopeTable.Frequencies(new RopeSettings { Theta = 10000, RotaryDim = 4 }, 32).Frequencies;
        Assert.Equal(plain, RopeTable.Frequencies(rope, 32).Frequencies);
        // theta (factor n / max - (factor - 1))^(r / (r - 2)), with factor 4, n 64, max 32, r 4
        var grown = 10000 * Math.Pow(4 * 64 / 32.0 - 3, 2);
        Assert.Equal(1 / Math.Sqrt(grown), RopeTable.Frequencies(rope, 64).Frequencies[1], 1e-8);
    }

    [Fact]
    public void Other_scalings_go_by_their_own_length_and_longrope_by_the_models()
    {
        const string Outer = "\"original_max_position_embeddings\": 16,", Inner =
            "\"original_max_position_embeddings\": 8";
        Assert.Equal(8, Rope("llama", Outer, "yarn", Inner).OriginalMaxPositions);
        const string Factors = ", \"short_factor\": [1, 1], \"long_factor\": [2, 2]";
        var longRope = Rope("phi3", Outer, "longrope", Inner + Factors);
        Assert.Equal((16, 4), (longRope.OriginalMaxPositions, longRope.Factor)); // the factor that the file gives
    }

    [Theory]
    [InlineData("yarn", "\"original_max_position_embeddings\": 8")]
    [InlineData("longrope", "\"original_max_position_embeddings\": 16, \"short_factor\": [1, 1], "
        + "\"long_factor\": [2, 2]")]
    public void A_factor_that_is_null_follows_from_the_lengths(string type, string inner)
    {
        var rope = Rope("phi3", "", type, inner, "null");
        Assert.Equal(32.0 / rope.OriginalMaxPositions, rope.Factor);
    }

    [Fact]
    public void HunYuans_alpha_is_a_larger_base_and_no_other_familys()
    {
        var rope = Rope("hunyuan_v1_dense", "", "dynamic", "\"alpha\": 100.0");
        Assert.Equal(("default", 10000 * Math.Pow(100, 4 / 2.0)), (rope.Type, rope.Theta));
        Assert.Equal("dynamic", Rope("llama", "", "dynamic", "\"alpha\": 100.0").Type);
        Assert.Equal("linear", Rope("hunyuan_v1_dense", "", "linear", "\"alpha\": 100.0").Type);
    }

    private static RopeSettings Rope(string family, string outer, string type, string inner, string factor = "4.0")
    {
        var scaling = $$"""{"rope_type": "{{type}}", "factor": {{factor}} {{(inner == "" ? "" : ",")}} {{inner}}}""";
        return FamilyTable.Read(StrictJson.ParseObject(Encoding.UTF8.GetBytes($$"""
            {"model_type": "{{family}}", "hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 9,
             "num_hidden_layers": 1, "vocab_size": 17, "max_position_embeddings": 32, {{outer}}
             "rope_scaling": {{scaling}}}
            """))).Layers[0].Rope!;
    }
}
