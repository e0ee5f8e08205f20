using System.Globalization;
using System.Text.Json.Nodes;
using PeftNative.Formats;
using PeftNative.Formats.Json;
using PeftNative.Formats.Safetensors;
using PeftNative.Formats.Storage;
using PeftNative.Peft;
using PeftNative.Peft.Adapters;
using PeftNative.Tensors;

namespace PeftNative.Training.Loop;

/// <summary>
/// The output folder of a run: the adapter itself, best/, and checkpoint-N/ with everything a run needs to go on. Every
/// checkpoint is written under a temporary name and renamed, so the newest one with its final name is whole. Used by
/// one thread at a time.
/// </summary>
public sealed class RunFolder
{
    private const string Prefix = "checkpoint-", State = "trainer_state.json", Moments = "optimizer.safetensors",
        Trainables = "trainables.safetensors";

    private readonly string root;
    private readonly TrainerOptions options;
    private readonly JsonObject run, scores;

    internal RunFolder(string root, TrainerOptions options, JsonObject run, JsonObject scores)
    {
        (this.root, this.options, this.run, this.scores) = (root, options, run, scores);
        Directory.CreateDirectory(root);
    }

    /// <summary>The newest whole checkpoint of an output folder, or null. Damaged ones are passed over.</summary>
    public static string? FindLast(string root)
    {
        if (!Directory.Exists(root)) return null;
        return Checkpoints(root).OrderByDescending(c => c.Step).Select(c => c.Path).FirstOrDefault(IsWhole);
    }

    internal void SaveAdapter(Adapter adapter) => Save(adapter, root);

    internal void SaveBest(Adapter adapter) => Save(adapter, Path.Combine(root, "best"));

    private void Save(Adapter adapter, string folder)
    {
        AdapterFolder.Save(adapter, folder);
        foreach (var (name, text) in options.CompanionFiles)
            AtomicFile.WriteText(Path.Combine(folder, name), text);
    }

    internal string SaveCheckpoint(Trainer trainer)
    {
        var path = Path.Combine(root, Prefix + trainer.CompletedSteps.ToString(CultureInfo.InvariantCulture));
        var adapter = trainer.Adapter;
        AtomicFolder.Write(path, writer =>
        {
            foreach (var (name, tensors) in AdapterFiles.Tensors(adapter)) writer.WriteTensors(name, tensors);
            foreach (var (name, text) in AdapterFiles.Texts(adapter)) writer.WriteText(name, text);
            foreach (var (name, text) in options.CompanionFiles) writer.WriteText(name, text);
            if (IsFolded(adapter))
                writer.WriteTensors(Trainables, AdapterFiles.Tensors(adapter, adapter.Entries, e => e.QualifiedName));
            writer.WriteTensors(Moments, MomentTensors(trainer));
            writer.WriteText(State, PeftJson.Write(new JsonObject
            {
                ["step"] = trainer.CompletedSteps, ["total_steps"] = trainer.TotalSteps, ["run"] = run.DeepClone(),
                ["best_score"] = trainer.BestScore, ["scores"] = scores.DeepClone(),
                ["evaluations_since_best"] = trainer.EvaluationsSinceBest,
            }));
        }, mayReplace: _ => true, manifest: true);
        // Later ones that are there already are of a run that went on otherwise from the same beginning.
        foreach (var old in Checkpoints(root).Where(c => c.Path != path).OrderByDescending(c => c.Step)
            .Skip(Math.Max(1, options.SaveTotalLimit) - 1))
            Directory.Delete(old.Path, recursive: true);
        return path;
    }

    /// <summary>Puts adapter, optimizer and counters back; returns the steps done.</summary>
    /// <exception cref="UsageException">The checkpoint is of another run.</exception>
    internal static int Restore(string checkpoint, Trainer trainer, JsonObject run, JsonObject scores)
    {
        FolderManifest.Verify(checkpoint);
        var state = StrictJson.ReadFile(Path.Combine(checkpoint, State));
        RunIdentity.RequireSame(state.GetObject("run"), run, checkpoint);
        // A score says nothing about another measure, or other records.
        if (state.Has("best_score")) RunIdentity.RequireSame(state.GetObject("scores"), scores, checkpoint);
        if (IsFolded(trainer.Adapter))
            AdapterFiles.Fill(trainer.Adapter, trainer.Adapter.Entries, e => e.QualifiedName,
                Path.Combine(checkpoint, Trainables));
        else AdapterFiles.Fill(trainer.Adapter, checkpoint);
        RestoreMoments(checkpoint, trainer);
        trainer.BestScore = state.GetOptionalDouble("best_score");
        trainer.EvaluationsSinceBest = state.GetInt("evaluations_since_best", 0);
        return trainer.Optimizer.StepCount = state.GetInt("step");
    }

    // What is trained is then not what an adapter's own files hold, and a checkpoint needs both.
    private static bool IsFolded(Adapter adapter) => adapter.StoredEntries != adapter.Entries;

    private static SafetensorsWriter MomentTensors(Trainer trainer)
    {
        var backend = trainer.Adapter.Model.Backend;
        var writer = new SafetensorsWriter();
        foreach (var (name, moment) in Named(trainer))
            writer.Add(name, [moment.Columns], HostValues.Download(backend, moment));
        return writer;
    }

    private static void RestoreMoments(string checkpoint, Trainer trainer)
    {
        using var file = SafetensorsFile.Open(Path.Combine(checkpoint, Moments));
        foreach (var (name, moment) in Named(trainer))
        {
            var stored = file.Get(name);
            if (stored.ElementCount != moment.Columns)
                throw new ModelFormatException(
                    $"The optimizer state has {stored.ElementCount} values, the adapter {moment.Columns}.", file.Path,
                    "The checkpoint belongs to another adapter.");
            var values = new float[moment.Columns];
            file.ReadAs(stored, values);
            HostValues.Upload(trainer.Adapter.Model.Backend, values, moment);
        }
    }

    private static (string, Tensor)[] Named(Trainer trainer) =>
        [("first_moment", trainer.Optimizer.FirstMoment), ("second_moment", trainer.Optimizer.SecondMoment)];

    private static IEnumerable<(string Path, int Step)> Checkpoints(string root)
    {
        foreach (var path in Directory.EnumerateDirectories(root, Prefix + "*"))
            if (int.TryParse(Path.GetFileName(path)[Prefix.Length..], out var step)) yield return (path, step);
    }

    private static bool IsWhole(string checkpoint)
    {
        try
        {
            FolderManifest.Verify(checkpoint);
            return true;
        }
        catch (PeftNativeException)
        {
            return false;
        }
    }
}
