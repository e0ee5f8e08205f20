using System.Text.Json.Nodes;

namespace PeftNative.Training.Schedules;

/// <summary>
/// The optional settings of a schedule, under the names transformers gives them in <c>lr_scheduler_kwargs</c>; null:
/// its default.
/// </summary>
public sealed record ScheduleArguments
{
    /// <summary>
    /// <c>num_cycles</c>: waves of the cosine (default 0.5), or restarts of cosine_with_restarts (default 1).
    /// </summary>
    public double? NumCycles { get; init; }

    /// <summary><c>min_lr</c>: the rate cosine_with_min_lr ends at.</summary>
    public double? MinLr { get; init; }

    /// <summary><c>min_lr_rate</c>: the same as a share of the learning rate.</summary>
    public double? MinLrRate { get; init; }

    /// <summary><c>power</c> of the polynomial (default 1).</summary>
    public double? Power { get; init; }

    /// <summary><c>lr_end</c>: the rate the polynomial ends at (default 1e-7).</summary>
    public double? LrEnd { get; init; }

    /// <summary><c>timescale</c> of inverse_sqrt in steps (default: the warm-up, or 10,000 without one).</summary>
    public double? Timescale { get; init; }

    /// <summary><c>num_decay_steps</c> of warmup_stable_decay; it has no default.</summary>
    public double? NumDecaySteps { get; init; }

    /// <summary><c>num_stable_steps</c> of warmup_stable_decay (default: what warm-up and decay leave).</summary>
    public double? NumStableSteps { get; init; }

    /// <summary>
    /// <c>min_lr_ratio</c> of warmup_stable_decay: the share of the learning rate it starts and ends at (default 0).
    /// </summary>
    public double? MinLrRatio { get; init; }

    /// <summary><c>warmup_type</c> of warmup_stable_decay: linear (default), cosine or 1-sqrt.</summary>
    public string? WarmupType { get; init; }

    /// <summary><c>decay_type</c> of warmup_stable_decay: cosine (default), linear or 1-sqrt.</summary>
    public string? DecayType { get; init; }

    /// <summary>Every key <see cref="FromJson"/> accepts.</summary>
    public static IReadOnlyList<string> Keys { get; } =
    [
        "num_cycles", "min_lr", "min_lr_rate", "power", "lr_end", "timescale", "num_decay_steps", "num_stable_steps",
        "min_lr_ratio", "warmup_type", "decay_type",
    ];

    /// <summary>Reads the settings from a JSON object, <c>lr_scheduler_kwargs</c>.</summary>
    /// <exception cref="UsageException">A key is unknown or a value has the wrong type.</exception>
    public static ScheduleArguments FromJson(JsonObject settings)
    {
        foreach (var (key, _) in settings)
        {
            if (!Keys.Contains(key))
                throw new UsageException(
                    $"A learning rate schedule has no setting '{key}'.", null, $"Known: {string.Join(", ", Keys)}.");
        }
        double? Number(string key) => Value<double>(settings, key, "a number");
        return new ScheduleArguments
        {
            NumCycles = Number("num_cycles"),
            MinLr = Number("min_lr"),
            MinLrRate = Number("min_lr_rate"),
            Power = Number("power"),
            LrEnd = Number("lr_end"),
            Timescale = Number("timescale"),
            NumDecaySteps = Number("num_decay_steps"),
            NumStableSteps = Number("num_stable_steps"),
            MinLrRatio = Number("min_lr_ratio"),
            WarmupType = Text(settings, "warmup_type"),
            DecayType = Text(settings, "decay_type"),
        };
    }

    private static T? Value<T>(JsonObject settings, string key, string kind) where T : struct =>
        settings[key] is not { } node ? null
        : node is JsonValue value && value.TryGetValue<T>(out var result) ? result
        : throw WrongType(key, kind, node);

    private static string? Text(JsonObject settings, string key) =>
        settings[key] is not { } node ? null
        : node is JsonValue value && value.TryGetValue<string>(out var result) ? result
        : throw WrongType(key, "a text", node);

    private static UsageException WrongType(string key, string kind, JsonNode node) =>
        new($"The schedule setting '{key}' must be {kind}, not {node.ToJsonString()}.");
}
