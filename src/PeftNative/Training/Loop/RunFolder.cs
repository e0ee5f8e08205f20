using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using PeftNative.Data;
using PeftNative.Formats;
using PeftNative.Peft;
using PeftNative.Tensors;

namespace PeftNative.Training;

/// <summary>
/// The output folder of a run: the adapter itself, best/, and checkpoint-N/ with everything a run needs to go on. Every checkpoint is written
/// under a temporary name and renamed, so the newest one with its final name is whole. Used by one thread at a time.
/// </summary>
public sealed class RunFolder
{
    private const string Prefix = "checkpoint-", State = "trainer_state.json", Moments = "optimizer.safetensors", Trainables = "trainables.safetensors";

    private readonly string root;
    private readonly TrainerOptions options;
    private readonly string dataDigest;

    internal RunFolder(string root, TrainerOptions options, EncodedData train)
    {
        (this.root, this.options) = (root, options);
        dataDigest = Digest(train);
        Directory.CreateDirectory(root);
    }

    /// <summary>The newest whole checkpoint of an output folder, or null. Damaged ones are passed over.</summary>
    public static string? FindLast(string root)
    {
        if (!Directory.Exists(root)) return null;
        return Checkpoints(root).OrderByDescending(c => c.Step).Select(c => c.Path).FirstOrDefault(IsWhole);
    }

    internal void SaveAdapter(Adapter adapter) => AdapterFolder.Save(adapter, root);

    internal void SaveBest(Adapter adapter) => AdapterFolder.Save(adapter, Path.Combine(root, "best"));

    internal string SaveCheckpoint(Trainer trainer)
    {
        var path = Path.Combine(root, Prefix + trainer.CompletedSteps.ToString(CultureInfo.InvariantCulture));
        var adapter = trainer.Adapter;
        AtomicFolder.Write(path, writer =>
        {
            foreach (var (name, tensors) in AdapterFolder.TensorFiles(adapter)) writer.WriteTensors(name, tensors);
            foreach (var (name, text) in AdapterFolder.TextFiles(adapter)) writer.WriteText(name, text);
            if (IsFolded(adapter)) writer.WriteTensors(Trainables, AdapterFolder.Tensors(adapter, adapter.Entries, e => e.QualifiedName));
            writer.WriteTensors(Moments, MomentTensors(trainer));
            writer.WriteText(State, PeftJson.Write(new JsonObject
            {
                ["step"] = trainer.CompletedSteps, ["total_steps"] = trainer.TotalSteps, ["seed"] = (long)options.Seed,
                ["batch_size"] = options.BatchSize, ["gradient_accumulation_steps"] = options.GradientAccumulationSteps,
                ["data_sha256"] = dataDigest, ["best_score"] = trainer.BestScore, ["evaluations_since_best"] = trainer.EvaluationsSinceBest,
            }));
        }, mayReplace: _ => true, manifest: true);
        foreach (var old in Checkpoints(root).OrderByDescending(c => c.Step).Skip(Math.Max(1, options.SaveTotalLimit)))
            Directory.Delete(old.Path, recursive: true);
        return path;
    }

    /// <summary>Puts adapter, optimizer and counters back; returns the steps done.</summary>
    internal static int Restore(string checkpoint, Trainer trainer, TrainerOptions options, EncodedData train)
    {
        FolderManifest.Verify(checkpoint);
        var state = StrictJson.ReadFile(Path.Combine(checkpoint, State));
        Require(state, "seed", (long)options.Seed);
        Require(state, "batch_size", options.BatchSize);
        Require(state, "gradient_accumulation_steps", options.GradientAccumulationSteps);
        if (state.GetString("data_sha256") != Digest(train))
            throw state.Error("data_sha256", "The checkpoint was made with other training data.", "Give the same data, or start afresh with --resume never.");
        if (IsFolded(trainer.Adapter))
            AdapterFolder.Fill(trainer.Adapter, trainer.Adapter.Entries, e => e.QualifiedName, Path.Combine(checkpoint, Trainables));
        else AdapterFolder.Fill(trainer.Adapter, checkpoint);
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
                throw new ModelFormatException($"The optimizer state has {stored.ElementCount} values, the adapter {moment.Columns}.", file.Path,
                    "The checkpoint belongs to another adapter.");
            var values = new float[moment.Columns];
            file.ReadAs(stored, values);
            HostValues.Upload(trainer.Adapter.Model.Backend, values, moment);
        }
    }

    private static (string, Tensor)[] Named(Trainer trainer) =>
        [("first_moment", trainer.Optimizer.FirstMoment), ("second_moment", trainer.Optimizer.SecondMoment)];

    private static void Require(StrictObject state, string key, long value)
    {
        if (state.GetLong(key) != value)
            throw state.Error(key, $"The checkpoint was made with {key} {state.GetLong(key)}, the run has {value}.",
                "Give the same value, or start afresh with --resume never.");
    }

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

    // Tokens and labels of every example, in order: what the order of batches is a function of.
    private static string Digest(EncodedData data)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var example in data.Examples)
        {
            hash.AppendData(System.Runtime.InteropServices.MemoryMarshal.AsBytes(example.Ids.AsSpan()));
            hash.AppendData(System.Runtime.InteropServices.MemoryMarshal.AsBytes((example.Labels ?? []).AsSpan()));
            hash.AppendData(Encoding.UTF8.GetBytes($"|{example.Class}|{string.Join(' ', example.Targets ?? [])}\n"));
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
