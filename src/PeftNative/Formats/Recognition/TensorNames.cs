using PeftNative.Formats.Safetensors;

namespace PeftNative.Formats.Recognition;

/// <summary>Recognises whose tensors a file holds, by their names.</summary>
internal static class TensorNames
{
    private static readonly string[] Kohya =
        ["lora_unet_", "lora_te_", "lora_te1_", "lora_te2_", "lora_te3_", "lora_transformer_"];

    private static readonly string[] Diffusers = ["unet.", "transformer.", "text_encoder.", "text_encoder_2."];
    private static readonly string[] Diffusion =
        ["model.diffusion_model.", "first_stage_model.", "cond_stage_model.", "double_blocks.", "down_blocks."];

    private static readonly string[] Inversion = ["emb_params", "clip_l", "clip_g", "string_to_param"];
    private static readonly string[] LowRank =
        [".lora_A.", ".lora_B.", ".lora.down.", ".lora.up.", "_lora.down.", "_lora.up.", ".lora_A", ".lora_B"];

    private static readonly string[] OriginalLlama =
        ["tok_embeddings.weight", "layers.0.attention.wq.weight", "layers.0.attention.wk.weight"];

    private static readonly string[] Embeddings =
    [
        "embed_tokens.weight", "wte.weight", "word_embeddings.weight", "shared.weight", "embed_in.weight",
        "lm_head.weight", "tok_embeddings.weight",
    ];

    /// <summary>The kind, and the tensor that shows it.</summary>
    internal static (FileKind Kind, string Sign) Of(IReadOnlyCollection<StoredTensor> tensors)
    {
        List<string> names = [.. tensors.Select(t => t.Name)];
        return Begins(FileKind.KohyaLora, Kohya)
            ?? First(FileKind.KohyaLora, n => n.EndsWith(".lora_down.weight", StringComparison.Ordinal))
            ?? First(FileKind.DiffusersLora, n => Begin(n, Diffusers) && LowRank.Any(part => Has(n, part))
                && !Has(n, ".h."))
            ?? First(FileKind.DiffusersLora, n => Has(n, ".processor.") && LowRank.Any(part => Has(n, part)))
            ?? First(FileKind.MlxAdapter, n => End(n, ".lora_a", ".lora_b"))
            ?? First(FileKind.HubWeights, n => Has(n, ".adapters.") || Has(n, ".loras.") || Has(n, ".prefix_tunings."))
            ?? First(FileKind.PeftWeights, n => n == "prompt_embeddings" || Begin(n, "base_model.")
                || Has(n, ".lora_A") || Has(n, ".ia3_l") || Has(n, ".lora_embedding_A"))
            ?? Begins(FileKind.DiffusionModel, Diffusion)
            ?? First(FileKind.TextualInversion, n => Inversion.Contains(n) || IsToken(n, tensors))
            ?? First(FileKind.OptimizerState, n => n is "first_moment" or "second_moment")
            ?? First(FileKind.LlamaOriginal, n => OriginalLlama.Contains(n))
            ?? First(FileKind.MlxModel, n => End(n, ".scales") && names.Contains(n[..^7] + ".biases"))
            ?? First(FileKind.ModelWeights,
                n => Embeddings.Any(e => $".{n}".EndsWith($".{e}", StringComparison.Ordinal)))
            ?? (FileKind.Tensors, names.Count == 0 ? "no tensors" : $"a tensor {names[0]}");

        (FileKind, string)? Begins(FileKind kind, string[] beginnings) => First(kind, n => Begin(n, beginnings));
        (FileKind, string)? First(FileKind kind, Func<string, bool> shows) =>
            names.Find(n => shows(n)) is { } sign ? (kind, $"a tensor {Text.Message.Clip(sign)}") : null;
    }

    // learned_embeds of diffusers: one tensor, called as its token is.
    private static bool IsToken(string name, IReadOnlyCollection<StoredTensor> tensors) => tensors.Count == 1
        && name.StartsWith('<') && name.EndsWith('>') && tensors.First().Shape.Length is 1 or 2;

    private static bool Begin(string name, params string[] beginnings) =>
        beginnings.Any(b => name.StartsWith(b, StringComparison.Ordinal));

    private static bool End(string name, params string[] ends) =>
        ends.Any(e => name.EndsWith(e, StringComparison.Ordinal));

    private static bool Has(string name, string part) => name.Contains(part, StringComparison.Ordinal);
}
