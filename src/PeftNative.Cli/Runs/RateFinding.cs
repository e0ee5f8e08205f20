using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Data.Encoding;
using PeftNative.Models;
using PeftNative.Peft.Adapters;
using PeftNative.Training.Loop;

namespace PeftNative.Cli.Runs;

/// <summary>
/// --find_rate: a search before the run, once; a run that goes on has the rate that it was begun with.
/// </summary>
internal static class RateFinding
{
    /// <summary>Whether a rate is to be looked for.</summary>
    /// <exception cref="UsageException">A rate was given, too.</exception>
    public static bool IsDue(SettingValues values)
    {
        if (!values.Switch(TrainSettings.FindRate)) return false;
        if (values.Has(TrainSettings.LearningRate))
            throw new UsageException("--find_rate and --learning_rate exclude each other.",
                values.OriginOf(TrainSettings.LearningRate), "Give one of them.");
        if (values.Text(TrainSettings.Resume) == "never" || values.OptionalText(TrainSettings.Output) is not { } output
            || !File.Exists(Path.Combine(output, RunFolderState.ConfigName))) return true;
        var before = ConfigFile.Read(Path.Combine(output, RunFolderState.ConfigName));
        if (before[TrainSettings.LearningRate.Key] is not { } rate) return true;
        values.Add(TrainSettings.LearningRate, rate.DeepClone(), RunSetup.Chosen);
        return false;
    }

    /// <summary>Looks for it.</summary>
    public static RateSearchResult Run(TransformerModel model, EncodedData train, TrainerOptions options,
        ProgressLine progress, Func<Adapter> start, CancellationToken cancellation) =>
        new RateSearch(model, train, options).Run(start, probe => progress.Show(
            $"learning rate {Quantity.Number(probe.Rate)}: loss {Quantity.Metric(probe.Loss)} after "
                + $"{probe.Steps} steps"),
            cancellation);

    /// <summary>What was tried and chosen, as lines of the start panel.</summary>
    public static IEnumerable<(string Name, string Text)> Lines(RateSearchResult search, int totalSteps)
    {
        yield return ("rate", $"{Quantity.Number(search.Rate)}: {search.Reason}");
        if (search.Probes.Count == 0) yield break;
        yield return ("", string.Join(", ", search.Probes.OrderBy(p => p.Steps).ThenBy(p => p.Rate).Select(p =>
            $"{Quantity.Number(p.Rate)} {Quantity.Metric(p.Loss)} ({p.Steps})")));
        yield return ("", $"losses of rates (after steps); {search.Steps} steps tried, "
            + $"{Quantity.Percent((double)search.Steps / totalSteps)} of the run's");
    }
}
