using PeftNative.Peft.Adapters;
using PeftNative.Peft.VirtualTokens;

namespace PeftNative.Peft.PrefixTuning;

/// <summary>
/// Prefix tuning (Li and Liang 2021, arXiv:2101.00190): trained keys and values in front of the sequence's own.
/// </summary>
internal static class PrefixTuningMethod
{
    private static readonly KeysOf<PrefixTuningConfig> Key = new();

    internal static readonly Method<PrefixTuningConfig> Page = new("prefix", "PREFIX_TUNING", "Prefix")
    {
        IsMergeable = false,
        // Measured, 1e-2 to 3e-2; PEFT's examples 1e-2 without projection.
        TrainRates = new(2e-2, 1e-2), ComparedRate = 1e-2,
        Keys =
        [
            .. VirtualTokenKeys.Of(Key),
            Key.Switch("prefix_projection", c => c.UsesProjection, (c, v) => c with { UsesProjection = v },
                "Train through a small network."),
            VirtualTokenKeys.EncoderWidth(Key, c => c.EncoderHiddenSize, (c, v) => c with { EncoderHiddenSize = v }),
            Key.Of("init_weights", KeyKind.Text, "Zero.", json => json.GetString("init_weights") == "zero" ? true
                    : throw json.Error("init_weights",
                        $"The initialisation '{json.GetString("init_weights")}' is not supported.",
                        "Use \"zero\" or null."),
                (c, v) => c with { StartsAtZero = v }, c => c.StartsAtZero ? "zero" : null)
                with { Choices = ["zero"], ValueName = "NAME" },
            Key.ModulesToSave(),
        ],
        Create = (model, config, start) => new PrefixTuningAdapter(model, config, start),
    };
}
