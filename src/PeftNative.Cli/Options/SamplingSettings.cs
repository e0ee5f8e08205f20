using PeftNative.Inference;

namespace PeftNative.Cli.Options;

/// <summary>How text is continued, for every verb that does.</summary>
internal static class SamplingSettings
{
    /// <summary>How long a text may become.</summary>
    public static readonly Setting MaxTokens = new("max_tokens", SettingKind.Whole, "Most tokens to add.")
    {
        Default = "128", Least = 1, Most = 1 << 20, Aliases = ["max_new_tokens"],
    };

    private static readonly Setting Temperature = new("temperature", SettingKind.Number,
        "0 takes the best token; larger is more varied.")
    {
        Default = "0", Least = 0, Aliases = ["temp"],
    };

    private static readonly Setting TopK = new("top_k", SettingKind.Whole,
        "Sample from the k best tokens; 0 for all.") { Default = "0", Least = 0, Most = int.MaxValue };

    private static readonly Setting TopP = new("top_p", SettingKind.Number,
        "Sample from the best tokens that make up this probability.")
    {
        Default = "1", Least = 1e-6, Most = 1,
    };

    private static readonly Setting MinP = new("min_p", SettingKind.Number,
        "Leave out tokens less probable than this share of the best one.")
    {
        Default = "0", Least = 0, Most = 1,
    };

    private static readonly Setting RepetitionPenalty = new("repetition_penalty", SettingKind.Number,
        "Above 1 makes tokens of the prompt and the answer less likely to come again.")
    {
        Default = "1", Least = 0.01, Most = 100,
    };

    private static readonly Setting Stop = new("stop", SettingKind.Text,
        "End before this text; may be given several times.")
    {
        IsRepeatable = true, Aliases = ["stop_strings"],
    };

    /// <summary>All of them.</summary>
    public static readonly Setting[] All = [MaxTokens, Temperature, TopK, TopP, MinP, RepetitionPenalty, Stop,
        Shared.Seed];

    /// <summary>The options of sampling.</summary>
    public static GenerationOptions ToOptions(SettingValues values) => new()
    {
        MaxTokens = values.Int(MaxTokens), Temperature = values.Number(Temperature), TopK = values.Int(TopK),
        TopP = values.Number(TopP),
        MinP = values.Number(MinP), RepetitionPenalty = values.Number(RepetitionPenalty), Stop = values.Texts(Stop),
        Seed = (ulong)values.Whole(Shared.Seed),
    };
}
