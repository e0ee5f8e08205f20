using System.Text.Json.Nodes;
using PeftNative.Training.Schedules;

namespace PeftNative.Lab.Verification;

/// <summary>Replays learning rates recorded from the reference implementation.</summary>
public static class ScheduleVerifier
{
    private const double Tolerance = 1e-12;
    private static readonly string[] CommonKeys = ["name", "learning_rate", "warmup_steps", "total_steps", "rates"];

    /// <summary>Compares every recorded rate with <see cref="LearningRateSchedule.Rate"/>, to 1e-12 relative.</summary>
    /// <param name="path">
    /// A JSON array of schedules: <c>name</c>, <c>learning_rate</c>, <c>warmup_steps</c>, <c>total_steps</c>, the
    /// schedule's own settings, and <c>rates</c>, one per step from 0.
    /// </param>
    /// <exception cref="DataException">The file is not such an array.</exception>
    public static VerificationResult Verify(string path) => RecordedValues.Read(path, root =>
    {
        var values = new RecordedValues("training:schedules", Tolerance);
        foreach (var recorded in root.AsArray()) Replay(recorded!.AsObject(), values);
        return values.Result;
    });

    private static void Replay(JsonObject recorded, RecordedValues values)
    {
        var name = recorded["name"]!.GetValue<string>();
        var rates = recorded["rates"]!.AsArray();
        var warmup = recorded["warmup_steps"]!.GetValue<long>();
        var settings = new JsonObject(recorded.Where(p => !CommonKeys.Contains(p.Key))
            .Select(p => KeyValuePair.Create(p.Key, p.Value?.DeepClone())));
        try
        {
            var schedule = LearningRateSchedule.Create(name, recorded["learning_rate"]!.GetValue<double>(), warmup,
                recorded["total_steps"]!.GetValue<long>(), ScheduleArguments.FromJson(settings));
            for (var step = 0; step < rates.Count; step++)
                values.ExpectRelative(
                    $"{name}, warm-up {warmup}, step {step}", rates[step]!.GetValue<double>(), schedule.Rate(step));
        }
        catch (UsageException e)
        {
            values.Fail($"{name}, warm-up {warmup}: {e.Message}");
        }
    }
}
