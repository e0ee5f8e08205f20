using PeftNative.Models.Config;

namespace PeftNative.Peft.Adapters;

/// <summary>
/// The learning rate of a method where nobody names one, by the kind and the width of the model. Rates of matrices are
/// those of a model 768 wide and go with the inverse of the width, as the best rate of Adam does (Yang et al. 2022,
/// arXiv:2203.03466); those of vectors and virtual tokens stay. What a page calls "measured" is all-MiniLM-L6-v2 (an
/// encoder 384 wide) on 2,000 records of SST-2; docs/cli.md has what each rate reached there.
/// </summary>
/// <param name="Encoder">That of encoders.</param>
/// <param name="Decoder">That of decoders, with an encoder or without.</param>
/// <param name="GoByWidth">Whether the width counts.</param>
internal sealed record UsualRates(double Encoder, double Decoder, bool GoByWidth = false)
{
    /// <summary>The width at which the numbers hold.</summary>
    internal const int Width = 768;

    private const int LeastWidth = 384; // narrower models were not measured

    /// <summary>The rate for a model.</summary>
    internal double Of(TransformerConfig config)
    {
        var rate = config.Causal || config.Encoder is not null ? Decoder : Encoder;
        return GoByWidth ? rate * Width / Math.Max(config.HiddenSize, LeastWidth) : rate;
    }
}
