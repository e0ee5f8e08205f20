using PeftNative.Cli.Options;
using PeftNative.Formats.Storage;
using PeftNative.Peft;
using PeftNative.Peft.Adapters;
using PeftNative.Training.Loop;

namespace PeftNative.Cli.Runs;

/// <summary>
/// What stands beside an adapter wherever a run saves it, so that the best one or a checkpoint can be moved away from
/// the run: the names of labels, and which base it is for, with how that was quantised.
/// </summary>
internal static class CompanionFiles
{
    /// <summary>The texts by file name, as they are at the start.</summary>
    public static Dictionary<string, string> Of(RunSetup setup, SettingValues values)
    {
        var files = new Dictionary<string, string>
        {
            [BaseIdentity.FileName] = BaseIdentity.Write(values.Text(Shared.Model), setup.Origin.Parts,
                setup.Model.Quantization),
        };
        if (setup.Labels is not null) files[AdapterLabels.FileName] = Labels(setup, null);
        return files;
    }

    /// <summary>
    /// Takes the thresholds that an evaluation found into what is saved from here on, and beside the best adapter,
    /// which is saved already.
    /// </summary>
    public static void TakeThresholds(Dictionary<string, string> files, RunSetup setup, EvalEvent eval, string output)
    {
        if (!setup.Options.TuneThresholds || eval.Classes?.Thresholds is not { } thresholds) return;
        files[AdapterLabels.FileName] = Labels(setup, thresholds);
        if (eval.IsBest)
            AtomicFile.WriteText(Path.Combine(output, "best", AdapterLabels.FileName), files[AdapterLabels.FileName]);
    }

    private static string Labels(RunSetup setup, IReadOnlyList<double>? thresholds) => AdapterLabels.Write(
        setup.Model.Config.Labels, setup.Model.Config.ProblemType ?? ProblemType.SingleLabel, thresholds);
}
