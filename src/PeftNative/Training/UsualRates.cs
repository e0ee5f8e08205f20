using PeftNative.Models;

namespace PeftNative.Training;

/// <summary>
/// The learning rate of a method where nobody names one, by the kind and the width of the model. Rates of matrices are
/// those of a model 768 wide and go with the inverse of the width, as the best rate of Adam does (Yang et al. 2022,
/// arXiv:2203.03466); those of vectors and virtual tokens stay. "Measured" is all-MiniLM-L6-v2 (an encoder 384 wide) on
/// 2,000 records of SST-2; docs/cli.md has what each rate reached there.
/// </summary>
internal static class UsualRates
{
    private const int Width = 768, LeastWidth = 384; // narrower models were not measured

    private sealed record Rates(double Encoder, double Decoder, bool GoByWidth);

    private static readonly Dictionary<string, Rates> ByMethod = new()
    {
        // Encoder: Hu et al. 2021 (arXiv:2106.09685), 4e-4 to 5e-4 with RoBERTa base; measured, 1e-3 at 384. Decoder:
        // Dettmers et al. 2023 (arXiv:2305.14314), 2e-4 at 4096 and 5120, 1e-4 at 8192.
        ["lora"] = new(5e-4, 1e-3, true),
        ["dora"] = new(5e-4, 1e-3, true),
        // Measured, 1e-2 to 3e-2; Liu et al. 2022 (arXiv:2205.05638) use 3e-3, PEFT's examples 8e-3 to 1e-2.
        ["ia3"] = new(2e-2, 1e-2, false),
        // Measured, 1e-3 at 384; Pfeiffer et al. 2020 (arXiv:2005.00247) use 1e-4, Houlsby et al. 2019 up to 3e-3.
        ["bottleneck"] = new(5e-4, 5e-4, true),
        // Measured, 1e-2 to 3e-2; PEFT's examples 1e-2 for a prefix without projection.
        ["prefix"] = new(2e-2, 1e-2, false),
        // Measured, 1e-1 (3e-2 is 4 points worse); PEFT's examples 3e-2 to 5e-2 for language models.
        ["prompt"] = new(1e-1, 3e-2, false),
        // Measured, 1e-2 (the only one of four that learns well); PEFT's examples 1e-3 to 5e-3.
        ["p_tuning"] = new(1e-2, 5e-3, false),
        // Ben Zaken et al. 2021 (arXiv:2106.10199): 1e-4 to 1e-3; measured.
        ["bitfit"] = new(2e-3, 1e-3, false),
        // As full fine-tuning, with a little more, as less of the model moves.
        ["top_layers"] = new(1e-4, 1e-4, true),
        // Devlin et al. 2018 (arXiv:1810.04805): 2e-5 to 5e-5; measured, 5e-5 to 2e-4 at 384.
        ["full"] = new(5e-5, 5e-5, true),
        // A linear classifier on fixed features; measured.
        ["head"] = new(2e-2, 2e-2, false),
    };

    /// <summary>The rates in words.</summary>
    internal const string Help = "Default by method and model: 5e-4 for LoRA on an encoder 768 wide, 2e-4 on a decoder "
        + "4096 wide; 1e-2 to 1e-1 for ia3, prefix, prompt, p_tuning; 5e-5 full.";

    /// <summary>The rate of a method, one of --method's names, for a model.</summary>
    internal static double Of(string method, TransformerConfig config)
    {
        var rates = ByMethod[method];
        var rate = config.Causal || config.Encoder is not null ? rates.Decoder : rates.Encoder;
        return rates.GoByWidth ? rate * Width / Math.Max(config.HiddenSize, LeastWidth) : rate;
    }
}
