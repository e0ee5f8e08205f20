using System.Text.Json.Nodes;
using PeftNative.Formats.Json;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Matching;

namespace PeftNative.Peft.Lora;

/// <summary>
/// rank_pattern and alpha_pattern: the first key that fits a module counts, but files have their keys sorted, so the
/// order is lost where two keys fit one module and say different things.
/// </summary>
internal static class LoraPatterns
{
    /// <summary>The largest rank.</summary>
    internal const int MostRank = 65536;

    /// <summary>The value at a module.</summary>
    internal static double Pick(IReadOnlyList<(string Pattern, double Value)> patterns, string path, double fallback) =>
        Fitting(patterns, path).Select(p => (double?)p.Value).FirstOrDefault() ?? fallback;

    /// <summary>
    /// Patterns that mean the same in any order: keys that contradict each other are written out as the full names of
    /// their modules.
    /// </summary>
    internal static IReadOnlyList<(string Pattern, double Value)> WithoutOrder(
        IReadOnlyList<(string Pattern, double Value)> patterns, IReadOnlyList<string> paths)
    {
        var rivals = paths.SelectMany(p => Rivals(patterns, p)).Select(p => p.Pattern).ToHashSet();
        if (rivals.Count == 0) return patterns;
        var named = paths.Select(path => (Path: path, First: Fitting(patterns, path).FirstOrDefault()))
            .Where(n => n.First.Pattern is { } pattern && rivals.Contains(pattern))
            .Select(n => (n.Path, n.First.Value));
        return [.. patterns.Where(p => !rivals.Contains(p.Pattern)), .. named];
    }

    /// <summary>
    /// A module whose value depends on the order of the keys, in a sentence; null where there is none.
    /// </summary>
    internal static string? Doubt(
        string key, IReadOnlyList<(string Pattern, double Value)> patterns, IEnumerable<string> paths)
    {
        foreach (var path in paths)
            if (Rivals(patterns, path) is [var first, .. var others])
                return $"in {key} the keys {first.Pattern} and {others[^1].Pattern} both fit {path}; "
                    + $"the first, {first.Value}, counts, but files have their keys sorted, so it may have been "
                    + "trained with "
                    + "the other";
        return null;
    }

    /// <summary>Refuses ranks that are not whole or less than one, as PEFT does.</summary>
    /// <exception cref="UsageException">There is one.</exception>
    internal static void CheckRanks(IReadOnlyList<(string Pattern, double Value)> patterns)
    {
        foreach (var (pattern, rank) in patterns)
            if (!IsRank(rank))
                throw new UsageException(
                    $"rank_pattern gives {pattern} the rank {rank}; it must be a whole number from 1 to {MostRank}.");
    }

    internal static IReadOnlyList<(string, double)> Read(StrictObject json, string key) =>
        json.GetOptionalObject(key) is { } map ? [.. map.Keys.Select(k => (k, map.GetDouble(k)))] : [];

    internal static IReadOnlyList<(string, double)> ReadRanks(StrictObject json, string key)
    {
        if (json.GetOptionalObject(key) is not { } map) return [];
        return [.. map.Keys.Select(k => IsRank(map.GetInt(k)) ? (k, (double)map.GetInt(k))
            : throw map.Error(k, $"The rank {map.GetInt(k)} is none.",
                $"Give a whole number between 1 and {MostRank}."))];
    }

    internal static JsonObject ToJson(IReadOnlyList<(string Pattern, double Value)> patterns)
    {
        var json = new JsonObject();
        foreach (var (pattern, value) in patterns) json[pattern] = ConfigKey.AsWhole(value);
        return json;
    }

    private static bool IsRank(double value) => value is >= 1 and <= MostRank && value == Math.Truncate(value);

    private static IEnumerable<(string Pattern, double Value)> Fitting(
        IReadOnlyList<(string Pattern, double Value)> patterns, string path) =>
        patterns.Where(p => TargetMatcher.PatternApplies(p.Pattern, path));

    // The patterns that fit a module, where they contradict each other; else none.
    private static List<(string Pattern, double Value)> Rivals(
        IReadOnlyList<(string Pattern, double Value)> patterns, string path)
    {
        var fitting = Fitting(patterns, path).ToList();
        return fitting.Any(p => p.Value != fitting[0].Value) ? fitting : [];
    }
}
