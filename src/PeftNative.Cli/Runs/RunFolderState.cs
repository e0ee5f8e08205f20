using System.Text.Json.Nodes;
using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Training.Loop;

namespace PeftNative.Cli.Runs;

/// <summary>Where a run starts, given what its output folder holds already.</summary>
/// <param name="Checkpoint">The checkpoint to go on from; null to start afresh.</param>
/// <param name="IsFinished">Whether this very run is done already.</param>
internal sealed record RunFolderState(string? Checkpoint, bool IsFinished)
{
    /// <summary>The settings of the run in the folder.</summary>
    public const string ConfigName = "config.resolved.yaml";

    /// <summary>What the finished run in the folder came to.</summary>
    public const string SummaryName = "summary.json";

    /// <summary>What is allowed to be other than in the checkpoint's run, and is, in sentences.</summary>
    public IReadOnlyList<string> Changes { get; private init; } = [];

    /// <summary>Decides by --resume.</summary>
    /// <exception cref="UsageException">The folder holds another run, or the checkpoint named is none.</exception>
    public static RunFolderState Decide(string output, SettingValues values, Terminal terminal)
    {
        var resume = values.Text(TrainSettings.Resume);
        var summary = Path.Combine(output, SummaryName);
        if (resume == "never") Clear(output);
        else if (resume != "auto")
        {
            var checkpoint = FindCheckpoint(resume);
            return new(checkpoint, false) { Changes = [.. ChangesSince(checkpoint, values)] };
        }
        else if (File.Exists(Path.Combine(output, ConfigName)))
        {
            RequireSameRun(Path.Combine(output, ConfigName), values);
            if (File.Exists(summary))
            {
                terminal.Line($"This run is finished: {output} holds its adapter. --resume never trains it again.");
                var end = (JsonObject)JsonNode.Parse(File.ReadAllText(summary))!;
                if ((bool?)end["learned"] == false) terminal.Warn("this run has not learned from the data");
                terminal.Object(end);
                return new(null, true);
            }
            return new(RunFolder.FindLast(output), false);
        }
        return new(null, false);
    }

    private static string FindCheckpoint(string path)
    {
        if (!Directory.Exists(path))
            throw new UsageException("There is no such checkpoint.", path,
                "Use --resume auto, never, or a checkpoint folder.");
        return File.Exists(Path.Combine(path, "trainer_state.json")) ? path : RunFolder.FindLast(path)
            ?? throw new UsageException("The folder holds no whole checkpoint.", path, "Name a checkpoint-N folder.");
    }

    private static void RequireSameRun(string file, SettingValues values)
    {
        foreach (var (setting, old, now) in Differences(file, values))
            throw new UsageException($"The output folder holds a run with another {setting.Key}: "
                + $"{Text(old)} there, {Text(now)} here.", file,
                "Give another --output, or --resume never to start afresh here.");
    }

    // Who names a checkpoint may go on with another length or rate, which is another run all the same; what must not
    // change is the trainer's to refuse.
    private static IEnumerable<string> ChangesSince(string checkpoint, SettingValues values)
    {
        var run = Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(checkpoint)))!;
        var file = Path.Combine(run, ConfigName);
        if (!File.Exists(file)) yield break;
        foreach (var (setting, old, now) in Differences(file, values))
            yield return $"the checkpoint's run had another {setting.Key}: {Text(old)} there, {Text(now)} here";
    }

    private static IEnumerable<(Setting Setting, JsonNode? Old, JsonNode? Now)> Differences(
        string file, SettingValues values)
    {
        var before = ConfigFile.Read(file);
        foreach (var setting in TrainSettings.Defining)
        {
            var old = before[setting.Key] is { } node ? SettingValue.FromFile(setting, node, file) : null;
            var now = values.Node(setting);
            if (!JsonNode.DeepEquals(old, now)) yield return (setting, old, now);
        }
    }

    // What an earlier run left must not be taken for this run's.
    private static void Clear(string output)
    {
        if (!Directory.Exists(output) || !File.Exists(Path.Combine(output, ConfigName))) return;
        foreach (var checkpoint in Directory.EnumerateDirectories(output, "checkpoint-*"))
            Directory.Delete(checkpoint, recursive: true);
        if (Directory.Exists(Path.Combine(output, "best")))
            Directory.Delete(Path.Combine(output, "best"), recursive: true);
        File.Delete(Path.Combine(output, SummaryName));
    }

    private static string Text(JsonNode? node) =>
        node switch { null => "none", JsonValue => node.ToString(), _ => node.ToJsonString() };
}
