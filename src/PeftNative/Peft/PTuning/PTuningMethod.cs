using PeftNative.Peft.Adapters;
using PeftNative.Peft.VirtualTokens;

namespace PeftNative.Peft.PTuning;

/// <summary>P-tuning (Liu et al. 2021, arXiv:2103.10385): virtual tokens that a small network computes.</summary>
internal static class PTuningMethod
{
    private static readonly KeysOf<PTuningConfig> Key = new();

    internal static readonly Method<PTuningConfig> Page = new("p_tuning", "P_TUNING", "P-tuning")
    {
        IsMergeable = false,
        // Measured, 1e-2 (the only one of four that learns well); PEFT's examples 1e-3 to 5e-3.
        TrainRates = new(1e-2, 5e-3), ComparedRate = 5e-3,
        Keys =
        [
            .. VirtualTokenKeys.Of(Key),
            Key.Choice("encoder_reparameterization_type", c => c.Encoder, (c, v) => c with { Encoder = v },
                "The small network.", ("MLP", PromptEncoderKind.Mlp), ("LSTM", PromptEncoderKind.Lstm)),
            VirtualTokenKeys.EncoderWidth(Key, c => c.EncoderHiddenSize, (c, v) => c with { EncoderHiddenSize = v }),
            Key.Whole("encoder_num_layers", c => c.EncoderLayers, (c, v) => c with { EncoderLayers = v },
                "Layers of the LSTM.") with { Least = 1, Most = 64 },
            Key.Number("encoder_dropout", c => c.EncoderDropout, (c, v) => c with { EncoderDropout = v },
                "Dropout between the LSTM's layers.") with { Least = 0, Below = 1 },
            Key.ModulesToSave(),
        ],
        Create = (model, config, start) => new PTuningAdapter(model, config, start),
    };
}
