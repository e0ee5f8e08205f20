namespace PeftNative.Inference;

/// <summary>
/// How text is continued. Scores pass the repetition penalty, the temperature, then the limits of <see cref="TopK"/>,
/// <see cref="TopP"/> and <see cref="MinP"/>, in the order of Hugging Face's generate. Immutable.
/// </summary>
public sealed record GenerationOptions
{
    /// <summary>The most tokens to add.</summary>
    public int MaxTokens { get; init; } = 128;

    /// <summary>Divides the scores before sampling; 0 takes the best token always.</summary>
    public double Temperature { get; init; }

    /// <summary>Only the k best tokens are sampled; 0 for all.</summary>
    public int TopK { get; init; }

    /// <summary>
    /// Only the smallest set of best tokens with this probability is sampled (Holtzman et al. 2019, arXiv:1904.09751).
    /// </summary>
    public double TopP { get; init; } = 1;

    /// <summary>
    /// Tokens less probable than this share of the best one are not sampled (Nguyen et al. 2024, arXiv:2407.01082); 0
    /// for all.
    /// </summary>
    public double MinP { get; init; }

    /// <summary>
    /// Divides the positive scores and multiplies the negative ones of all tokens that stand in the prompt or were
    /// added (Keskar et al. 2019, arXiv:1909.05858); 1 for none. It works on the best token too.
    /// </summary>
    public double RepetitionPenalty { get; init; } = 1;

    /// <summary>
    /// Texts at whose first appearance the continuation ends; they are not part of it. Looked at by
    /// <see cref="TextGenerator"/>.
    /// </summary>
    public IReadOnlyList<string> Stop { get; init; } = [];

    /// <summary>Tokens that end a continuation besides those of the model; they are not part of it.</summary>
    public IReadOnlyList<int> StopTokens { get; init; } = [];

    /// <summary>Seed of the sampling.</summary>
    public ulong Seed { get; init; }

    /// <summary>Whether to go on after an end-of-sequence token of the model or the tokenizer.</summary>
    public bool IgnoreEndOfSequence { get; init; }

    /// <summary>The same with further tokens and texts that end a continuation.</summary>
    /// <param name="token">A token, or null.</param>
    /// <param name="text">A text, or null.</param>
    public GenerationOptions StoppingAt(int? token, string? text = null) => this with
    {
        StopTokens = token is { } id && !StopTokens.Contains(id) ? [.. StopTokens, id] : StopTokens,
        Stop = text is not null && !Stop.Contains(text) ? [.. Stop, text] : Stop,
    };

    /// <summary>Checks the values.</summary>
    /// <exception cref="UsageException">A value makes no sense; the message says which.</exception>
    public void Validate()
    {
        Require(MaxTokens >= 0, nameof(MaxTokens), "at least 0", MaxTokens);
        Require(Temperature >= 0, nameof(Temperature), "at least 0", Temperature);
        Require(TopK >= 0, nameof(TopK), "at least 0", TopK);
        Require(TopP is > 0 and <= 1, nameof(TopP), "above 0 and at most 1", TopP);
        Require(MinP is >= 0 and <= 1, nameof(MinP), "between 0 and 1", MinP);
        Require(RepetitionPenalty > 0, nameof(RepetitionPenalty), "above 0", RepetitionPenalty);
        if (Stop.Any(string.IsNullOrEmpty)) throw new UsageException("A stop text is empty.", remedy: "Leave it out.");
    }

    private static void Require(bool holds, string name, string allowed, double value)
    {
        if (!holds) throw new UsageException(FormattableString.Invariant($"{name} must be {allowed}, not {value}."));
    }
}
