using System.Text.Json.Nodes;
using PeftNative.Cli.Output;
using PeftNative.Training;

namespace PeftNative.Cli.Demo;

/// <summary>How long the parts of the demo took, in seconds.</summary>
internal sealed record Times(double Loading, double Before, double Training, double After)
{
    public double Total => Loading + Before + Training + After;
}

/// <summary>
/// How well the base predicts texts of its own kind (perplexity): before, after with the adapter off, and with it on.
/// </summary>
internal sealed record OwnText(double Before, double Off, double On);

/// <summary>Whether what had to stay the same did.</summary>
/// <param name="Files">The bytes of the base's files.</param>
/// <param name="Scores">The base's scores with the adapter off, bit for bit.</param>
/// <param name="Reloaded">The scores of the saved and reloaded adapter, bit for bit those of the trained one.</param>
internal sealed record Proofs(bool Files, bool Scores, bool Reloaded)
{
    public bool All => Files && Scores && Reloaded;

    /// <summary>Each of them as a sentence.</summary>
    public IEnumerable<(bool Holds, string Text)> InWords(Findings found) =>
    [
        (Files, "Every file of the base has the same sha256 as before."),
        (Scores, $"With the adapter off, all {Quantity.Count(found.Base.Scores.Length)} scores the base gives a probe have "
            + "the same bits as before."),
        (Reloaded, "The adapter, saved and loaded again, gives the same bits as the trained one."),
    ];
}

/// <summary>Everything the demo found out.</summary>
internal sealed record Findings
{
    public required DemoPlan Plan { get; init; }

    /// <summary>The base, the method and the machine in words.</summary>
    public required IReadOnlyList<(string Name, string Text)> Facts { get; init; }

    public required IReadOnlyList<Answer> Before { get; init; }

    public required IReadOnlyList<Answer> After { get; init; }

    public required IReadOnlyList<TrainEvent> Course { get; init; }

    public required OwnText OwnText { get; init; }

    public required Fingerprint Base { get; init; }

    public required Proofs Proofs { get; init; }

    public required Times Times { get; init; }

    public required long BaseBytes { get; init; }

    public required long AdapterBytes { get; init; }

    public required long TrainedParameters { get; init; }

    public required long AllParameters { get; init; }

    public required string BaseFolder { get; init; }

    public required string AdapterFolder { get; init; }

    public IEnumerable<StepEvent> Steps => Course.OfType<StepEvent>();

    public IEnumerable<EvalEvent> Evaluations => Course.OfType<EvalEvent>();

    public int ExactBefore => Before.Count(a => a.IsExact);

    public int ExactAfter => After.Count(a => a.IsExact);

    public double TrainedShare => (double)TrainedParameters / AllParameters;

    public double TokensPerSecond => Steps.Sum(s => (double)s.Tokens) / Steps.Sum(s => s.Duration.TotalSeconds);

    /// <summary>The numbers, for --json.</summary>
    public JsonObject ToJson() => new()
    {
        ["exam"] = Before.Count, ["exact_before"] = ExactBefore, ["exact_after"] = ExactAfter,
        ["steps"] = Plan.Steps, ["first_loss"] = Steps.First().Loss, ["last_loss"] = Steps.Last().Loss,
        ["tokens_per_s"] = TokensPerSecond, ["own_perplexity_before"] = OwnText.Before,
        ["own_perplexity_off"] = OwnText.Off, ["own_perplexity_on"] = OwnText.On, ["base_bytes"] = BaseBytes,
        ["adapter_bytes"] = AdapterBytes, ["trained_parameters"] = TrainedParameters, ["parameters"] = AllParameters,
        ["base_files_untouched"] = Proofs.Files, ["base_scores_identical"] = Proofs.Scores,
        ["reloaded_adapter_identical"] = Proofs.Reloaded,
        ["training_s"] = Times.Training, ["total_s"] = Times.Total,
    };
}
