using System.Text.RegularExpressions;

namespace PeftNative.Structure.Tests;

/// <summary>Which folders of the native CPU library may know which: each those before it.</summary>
internal static partial class NativeRooms
{
    private static readonly string[] Order = ["core", "simd", "gemm", "ops", "api"];

    /// <summary>Includes of a folder that comes later.</summary>
    public static IReadOnlyList<string> Upward(Sources sources) =>
        [.. from file in sources.All
            where file.Path.StartsWith("native/cpu/", StringComparison.Ordinal)
            let room = Array.IndexOf(Order, file.Folder["native/cpu".Length..].TrimStart('/'))
            where room >= 0
            from Match include in Include().Matches(file.Text)
            where Array.IndexOf(Order, include.Groups[1].Value) > room
            select $"{file.Path}: {include.Value}"];

    [GeneratedRegex("#include \"([a-z]+)/[^\"]+\"")]
    private static partial Regex Include();
}
