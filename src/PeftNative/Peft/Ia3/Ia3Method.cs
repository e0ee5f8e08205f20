using PeftNative.Peft.Adapters;

namespace PeftNative.Peft.Ia3;

/// <summary>
/// IA3 (Liu et al. 2022, arXiv:2205.05638): W (l ⊙ x) + b in the feed-forward block, l ⊙ (W x + b) elsewhere.
/// </summary>
internal static class Ia3Method
{
    private static readonly KeysOf<Ia3Config> Key = new();

    internal static readonly Method<Ia3Config> Page = new("ia3", "IA3", "IA3")
    {
        // Measured, 1e-2 to 3e-2; the paper uses 3e-3 on a large model, PEFT's examples 8e-3 to 1e-2.
        TrainRates = new(2e-2, 1e-2), ComparedRate = 1e-2,
        NamedParts = [Ia3Adapter.Part],
        Keys =
        [
            Key.Targets(c => c.Targets, (c, v) => c with { Targets = v }),
            Key.Exclude(c => c.Exclude, (c, v) => c with { Exclude = v }),
            Key.Modules("feedforward_modules", c => c.FeedForward, (c, v) => c with { FeedForward = v },
                "Those of the target modules that are scaled at the input."),
            Key.ModulesToSave(),
            Key.Switch("init_ia3_weights", c => c.StartsAtOne, (c, v) => c with { StartsAtOne = v },
                "Start at one, so that nothing changes at first."),
            Key.FanInFanOut(c => c.FanInFanOut, (c, v) => c with { FanInFanOut = v }),
        ],
        Create = (model, config, start) => new Ia3Adapter(model, config, start),
    };
}
