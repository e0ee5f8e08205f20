using System.Text.Json.Nodes;

namespace PeftNative.Lab.Verification;

/// <summary>Arrays of recorded numbers.</summary>
internal static class RecordedJson
{
    /// <summary>A list of numbers.</summary>
    internal static T[] Numbers<T>(this JsonObject recorded, string key) =>
        [.. recorded[key]!.AsArray().Select(x => x!.GetValue<T>())];

    /// <summary>A list of lists of numbers.</summary>
    internal static double[][] Rows(this JsonObject recorded, string key) =>
        [.. recorded[key]!.AsArray().Select(row => row!.AsArray().Select(x => x!.GetValue<double>()).ToArray())];
}
