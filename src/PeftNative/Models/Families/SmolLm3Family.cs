using PeftNative.Models.Config;

namespace PeftNative.Models.Families;

/// <summary>SmolLM 3 (Hugging Face 2025): Llama with no positions at all in every fourth layer.</summary>
internal static class SmolLm3Family
{
    internal static Family SmolLm3 { get; } = LlamaFamily.Instance with
    {
        ModelType = "smollm3",
        ClassStem = "SmolLM3",
        Gguf = new("smollm3", GgufRows.RotaryPairs),
        Targets = MethodTargets.None,
        ReadConfig = Read,
    };

    private static TransformerConfig Read(ConfigReader c)
    {
        var llama = LlamaFamily.Read(c);
        var interval = c.OptionalInt("no_rope_layer_interval") ?? 4;
        var given = c.OptionalInts("no_rope_layers", llama.LayerCount); // 1 where positions turn
        bool Turns(int layer) => given is null ? (layer + 1) % interval != 0 : given[layer] != 0;
        var rope = c.Rope(llama.HeadDim, llama.MaxPositions, theta: c.OptionalDouble("rope_theta") ?? 2_000_000);
        var config = llama.WithLayers((layer, i) => layer with { Rope = Turns(i) ? rope : null });
        // Only those without positions have the window.
        return config with
        {
            Layers = c.Plan(config, c.Window(c.Bool("use_sliding_window", false)), i => !Turns(i)),
            TieWordEmbeddings = c.Bool("tie_word_embeddings", true),
        };
    }
}
