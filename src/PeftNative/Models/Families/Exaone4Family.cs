using PeftNative.Formats.Text;
using PeftNative.Models.Config;

namespace PeftNative.Models.Families;

/// <summary>
/// EXAONE 4 (arXiv:2507.11407): Llama with norms at the outputs of sub-blocks alone and of query and key heads; where
/// some layers have a window, the others have no positions.
/// </summary>
internal static class Exaone4Family
{
    internal static Family Exaone4 { get; } = OlmoFamily.Olmo2 with
    {
        ModelType = "exaone4",
        ClassStem = "Exaone4",
        Gguf = new("exaone4", GgufRows.AsStored),
        ReadConfig = Read,
    };

    private static TransformerConfig Read(ConfigReader c)
    {
        var llama = LlamaFamily.Read(c) with
        {
            NormPlacement = NormPlacement.Output,
            NormEpsilon = c.Double("rms_norm_eps", 1e-5),
            AttentionBias = false,
            AttentionOutputBias = false,
            FeedForwardBias = false,
        };
        if (c.Window() == 0) return llama;
        var config = llama with { Layers = c.Plan(llama, c.Window(), Pattern(c, llama.LayerCount)) };
        return config.WithLayers((layer, _) => layer.Window > 0 ? layer : layer with { Rope = null });
    }

    // A number: so many layers, the last of which sees all. A word of L (local) and G: again and again, but the model's
    // last layer sees all.
    private static Func<int, bool> Pattern(ConfigReader c, int layers)
    {
        const string Key = "sliding_window_pattern";
        if (!c.IsText(Key))
        {
            var period = c.OptionalInt(Key) ?? 4;
            return i => (i + 1) % period != 0;
        }
        var word = c.Text(Key)!;
        if (word.Length == 0 || word.AsSpan().ContainsAnyExcept("LG"))
            throw c.Error($"{Key} '{Message.Clip(word)}' is no pattern of layers",
                "Write a number, or a word of L and G; or name the layers in layer_types.");
        return i => i != layers - 1 && word[i % word.Length] == 'L';
    }
}
