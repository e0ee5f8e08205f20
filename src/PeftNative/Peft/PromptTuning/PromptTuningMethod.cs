using PeftNative.Peft.Adapters;
using PeftNative.Peft.VirtualTokens;

namespace PeftNative.Peft.PromptTuning;

/// <summary>
/// Prompt tuning (Lester et al. 2021, arXiv:2104.08691): trained embeddings in front of the sequence.
/// </summary>
internal static class PromptTuningMethod
{
    private static readonly KeysOf<PromptTuningConfig> Key = new();

    internal static readonly Method<PromptTuningConfig> Page = new("prompt", "PROMPT_TUNING", "Prompt")
    {
        IsMergeable = false,
        // Measured, 1e-1 (3e-2 is 4 points worse); the paper uses 0.3 with Adafactor, PEFT's examples 3e-2 to 5e-2 with
        // AdamW for language models.
        TrainRates = new(1e-1, 3e-2), ComparedRate = 5e-2,
        Compared = new PromptTuningConfig { Initialization = PromptInitialization.SampleVocab },
        Keys =
        [
            .. VirtualTokenKeys.Of(Key),
            Key.Choice("prompt_tuning_init", c => c.Initialization, (c, v) => c with { Initialization = v },
                "How it starts.", ("RANDOM", PromptInitialization.Random),
                ("SAMPLE_VOCAB", PromptInitialization.SampleVocab), ("TEXT", PromptInitialization.Text))
                with { ValueName = "NAME" },
            Key.Text("prompt_tuning_init_text", c => c.InitText, (c, v) => c with { InitText = v },
                "A text it starts from."),
            Key.Text("tokenizer_name_or_path", c => c.Tokenizer, (c, v) => c with { Tokenizer = v }, "")
                with { IsAsked = false },
            Key.Ignored("tokenizer_kwargs"),
            Key.ModulesToSave(),
        ],
        Implied = (c, _) => c.InitText is null ? c
            : c with { Initialization = PromptInitialization.Text, Tokenizer = c.BaseModel },
        Create = (model, config, start) => new PromptTuningAdapter(model, config, start),
    };
}
