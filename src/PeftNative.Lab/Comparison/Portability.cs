using System.Diagnostics;
using System.Text.Json.Nodes;
using PeftNative.Models;
using PeftNative.Peft;
using PeftNative.Peft.Adapters;

namespace PeftNative.Lab.Comparison;

/// <summary>One adapter in the trial of changing adapters.</summary>
/// <param name="Name">The task and the method.</param>
/// <param name="LoadMilliseconds">Reading it from its files onto the model.</param>
/// <param name="SwitchMilliseconds">Putting it in force, once it is in memory, in place of another.</param>
/// <param name="IsAsTrained">Whether its scores have the bits they had at the end of its training.</param>
/// <param name="BaseIsIntact">Whether the base without it then has the bits it had before.</param>
public sealed record SwappedAdapter(string Name, double LoadMilliseconds, double SwitchMilliseconds, bool IsAsTrained,
    bool BaseIsIntact);

/// <summary>What an adapter of one task does on another.</summary>
/// <param name="Task">The task measured.</param>
/// <param name="Adapter">The task whose adapter is in force; null for none.</param>
/// <param name="Quality">The metric.</param>
public sealed record CrossQuality(string Task, string? Adapter, double Quality);

/// <summary>One base and many adapters: what changing them costs, and whether it changes anything else.</summary>
public sealed record PortabilityResult
{
    /// <summary>The adapters, in the order in which they were tried.</summary>
    public required IReadOnlyList<SwappedAdapter> Adapters { get; init; }

    /// <summary>Every task with every task's adapter; empty where there is only one task.</summary>
    public required IReadOnlyList<CrossQuality> Cross { get; init; }

    /// <summary>Whether every file of the base has the bytes it had before.</summary>
    public required bool FilesAreIntact { get; init; }

    /// <summary>Loading the base itself: what exchanging whole models would cost.</summary>
    public required double BaseLoadMilliseconds { get; init; }

    internal JsonObject ToJson() => new()
    {
        ["adapters"] = new JsonArray([.. Adapters.Select(a => (JsonNode)new JsonObject
        {
            ["name"] = a.Name, ["load_ms"] = a.LoadMilliseconds, ["switch_ms"] = a.SwitchMilliseconds,
            ["is_as_trained"] = a.IsAsTrained, ["base_is_intact"] = a.BaseIsIntact,
        })]),
        ["cross"] = new JsonArray([.. Cross.Select(c => (JsonNode)new JsonObject
        {
            ["task"] = c.Task, ["adapter"] = c.Adapter, ["quality"] = c.Quality,
        })]),
        ["base_files_are_intact"] = FilesAreIntact, ["base_load_ms"] = BaseLoadMilliseconds,
    };
}

/// <summary>Puts adapters onto one base, one after the other.</summary>
internal static class Portability
{
    /// <summary>Loads every adapter, then changes between all of them.</summary>
    /// <param name="model">The base.</param>
    /// <param name="probe">What must stay the same.</param>
    /// <param name="trained">The name, the folder and, of the end of the training, the probe's digest of each
    /// adapter.</param>
    public static List<SwappedAdapter> Swap(
        TransformerModel model, ModelProbe probe, IReadOnlyList<(string Name, string Folder, string Digest)> trained)
    {
        var before = probe.Digest(model);
        var adapters = new List<Adapter>();
        var loading = new List<double>();
        try
        {
            foreach (var (_, folder, _) in trained)
            {
                var clock = Stopwatch.GetTimestamp();
                adapters.Add(AdapterFolder.Load(model, folder, name: $"adapter{adapters.Count}"));
                loading.Add(Stopwatch.GetElapsedTime(clock).TotalMilliseconds);
            }
            var switching = SwitchTimes(model, adapters);
            return [.. trained.Select((t, i) => new SwappedAdapter(t.Name, loading[i], switching[i],
                probe.Digest(model, adapters[i]) == t.Digest, probe.Digest(model) == before))];
        }
        finally
        {
            foreach (var adapter in adapters) adapter.Dispose();
        }
    }

    // A run that is there already only takes another list.
    private static double[] SwitchTimes(TransformerModel model, List<Adapter> adapters)
    {
        const int rounds = 100;
        using var run = new ModelRun(model);
        var times = new double[adapters.Count];
        for (var round = 0; round < rounds; round++)
            for (var i = 0; i < times.Length; i++)
            {
                var clock = Stopwatch.GetTimestamp();
                run.Adapters = [adapters[i]];
                times[i] += Stopwatch.GetElapsedTime(clock).TotalMilliseconds / rounds;
            }
        return times;
    }
}
