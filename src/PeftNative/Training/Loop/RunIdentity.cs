using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using System.Text;
using PeftNative.Data.Encoding;
using PeftNative.Formats.Json;
using PeftNative.Models.Families;
using PeftNative.Models;
using PeftNative.Peft.Adapters;
using PeftNative.Tensors;

namespace PeftNative.Training.Loop;

/// <summary>
/// What a run is, as far as going on from a checkpoint needs it to be the same: the base and how it computes, the
/// adapter's settings, and the sequence of batches. Length, rates, optimizer, evaluation, saving, memory and machine
/// may be others.
/// </summary>
internal static class RunIdentity
{
    private const int MostNamed = 8, LongestValue = 60;
    private const string FirstValues = "adapter that it goes on training";

    private static readonly string[] Digests =
        ["checkpoint of the base", "base configuration", "training data", "evaluation data", FirstValues];

    /// <summary>The identity of a run, made before it changes anything.</summary>
    internal static JsonObject Of(Adapter adapter, TrainerOptions options, EncodedData train)
    {
        var model = adapter.Model;
        return new JsonObject
        {
            ["method"] = adapter.Config.PeftType,
            ["adapter"] = new JsonObject(
                adapter.Settings.Select(s =>
                    KeyValuePair.Create(s.File, (JsonNode?)AdapterDigest.Significant(s.Json)))),
            [FirstValues] = adapter.Origin,
            ["base"] = new JsonObject
            {
                ["checkpoint of the base"] = model.Folder is { } folder ? BaseIdentity.Fingerprint(folder)
                    : Digest(model),
                ["adapters merged into the base"] = model.Merged.Count == 0 ? null
                    : new JsonArray([.. model.Merged.Select(m => (JsonNode)m)]),
                ["base configuration"] = model.Folder is null || GgufConfig.IsFile(model.Folder)
                    ? model.Config.ToString() : Configuration(model.Folder),
                ["task"] = model.Task.ToString(), ["problem_type"] = model.Config.ProblemType?.ToString(),
                ["labels"] = model.Config.Labels.Count,
                ["dtype"] = model.Backend.ComputeType.Name(), ["quantization"] = Quantization(model),
            },
            ["batches"] = new JsonObject
            {
                ["seed"] = options.Seed.ToString(System.Globalization.CultureInfo.InvariantCulture),
                ["batch_size"] = options.BatchSize,
                ["gradient_accumulation_steps"] = options.GradientAccumulationSteps,
                ["order of the examples"] = options.Order.ToString(),
                ["packing"] = train.Rows is { } rows ? $"{rows.Count} rows" : options.PackingBudget,
                ["training data"] = Digest(train),
            },
        };
    }

    /// <summary>What the best score of a run was measured with.</summary>
    internal static JsonObject OfScores(TrainerOptions options, EncodedData? eval) => new()
    {
        ["metric"] = options.BestMetric, ["evaluation data"] = eval is null ? null : Digest(eval),
    };

    /// <summary>Refuses to go on with what differs, by name.</summary>
    /// <param name="before">The identity of the run that left the checkpoint.</param>
    /// <param name="now">That of the run which is to go on.</param>
    /// <param name="checkpoint">The checkpoint.</param>
    /// <exception cref="UsageException">They differ.</exception>
    internal static void RequireSame(StrictObject before, JsonObject now, string checkpoint)
    {
        // As they are in a file, so that numbers are compared as they are written.
        var differences = Differences("", JsonObject.Create(before.Element), JsonNode.Parse(PeftJson.Write(now)))
            .ToList();
        if (differences.Count == 0) return;
        var more = differences.Count > MostNamed ? $"; and {differences.Count - MostNamed} more" : "";
        var named = string.Join("; ", differences.Take(MostNamed));
        throw new UsageException($"The checkpoint is of another run: {named}{more}.", checkpoint,
            "Give the same settings, base and data, or start afresh with --resume never.");
    }

    private static JsonObject Configuration(string folder) =>
        AdapterDigest.Significant(JsonObject.Create(StrictJson.ReadFile(Path.Combine(folder, "config.json")).Element)!);

    private static IEnumerable<string> Differences(string name, JsonNode? before, JsonNode? now)
    {
        if (before is JsonObject a && now is JsonObject b)
        {
            // Another method has other settings altogether.
            if (Text(a["method"]) != Text(b["method"])) (a, b) = (Method(a), Method(b));
            foreach (var key in a.Select(e => e.Key).Union(b.Select(e => e.Key)).Order(StringComparer.Ordinal))
            {
                // The keys of a pattern are modules; alone they would read like settings.
                var full = name is "rank_pattern" or "alpha_pattern" ? $"{name} of {key}" : key;
                foreach (var difference in Differences(full, a[key], b[key])) yield return difference;
            }
        }
        else if (Text(before) != Text(now))
        {
            var (old, other) = (Text(before), Text(now));
            // A digest tells a reader nothing, so it is not shown.
            yield return Digests.Contains(name) ? $"the {name} is another"
                : $"{name} is {Short(old)} there, {Short(other)} here";
        }
    }

    private static JsonObject Method(JsonObject run) => new() { ["method"] = run["method"]?.DeepClone() };

    // The order of a list of names means nothing.
    private static string Text(JsonNode? node) => node is JsonArray list
        ? $"[{string.Join(", ", list.Select(i => i?.ToJsonString() ?? "null").Order(StringComparer.Ordinal))}]"
            : node?.ToJsonString() ?? "null";

    private static string Short(string text) => text.Length <= LongestValue ? text : text[..LongestValue] + "...";

    private static string? Quantization(TransformerModel model) => model.Quantization is not { } q ? null
        : $"{q.Type}, blocks of {q.BlockSize}{(q.DoubleQuantization ? " twice" : "")}, {q.Int8Compute}, "
            + $"without [{string.Join(' ', q.Skip.Order())}]";

    // Every number of every example, in order: what the batches are made of.
    private static string Digest(EncodedData data)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        // Examples that are not held stand for the records that they are made of, and some show how they are made.
        if (data.RecordsDigest is { } records) hash.AppendData(Encoding.UTF8.GetBytes(records));
        foreach (var e in data.Sample())
        {
            Append<int>(hash, e.Ids);
            Append<byte>(hash, e.TokenTypes);
            Append<int>(hash, e.Labels);
            Append<int>(hash, e.Class is { } c ? [c] : null);
            Append<float>(hash, e.Targets);
            Append<int>(hash, e.DecoderIds);
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    // The length first, so that no two examples run into each other.
    private static void Append<T>(IncrementalHash hash, T[]? values) where T : unmanaged
    {
        hash.AppendData(BitConverter.GetBytes(values?.Length ?? -1));
        hash.AppendData(MemoryMarshal.AsBytes(values.AsSpan()));
    }

    private static string Digest(TransformerModel model)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var parameter in model.Parameters.Where(p => p.TiedTo is null))
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"{parameter.Name} {parameter.Rows} {parameter.Columns}\n"));
            hash.AppendData(MemoryMarshal.AsBytes(model.Values(parameter).AsSpan()));
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
