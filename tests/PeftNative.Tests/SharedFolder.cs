using Xunit;

namespace PeftNative.Tests;

/// <summary>
/// Recorded reference material that lies beside the repository, in a folder <c>shared</c>; PEFTNATIVE_SHARED overrides.
/// </summary>
internal static class SharedFolder
{
    /// <summary>A path below the folder, or null where it is absent.</summary>
    public static string? Find(string relative) => Roots().Select(root => Path.Combine(root, relative))
        .FirstOrDefault(Path.Exists);

    /// <summary>A path below the folder; skips the test, saying why, where it is absent.</summary>
    public static string PathOrSkip(string relative)
    {
        var path = Find(relative);
        if (path is null) Assert.Skip($"shared/{relative} is not here (set PEFTNATIVE_SHARED to the folder shared).");
        return path;
    }

    private static IEnumerable<string> Roots()
    {
        if (Environment.GetEnvironmentVariable("PEFTNATIVE_SHARED") is { Length: > 0 } named) return [named];
        return Ancestors(AppContext.BaseDirectory).Concat(Ancestors(Directory.GetCurrentDirectory()))
            .Select(folder => Path.Combine(folder, "shared"));
    }

    private static IEnumerable<string> Ancestors(string folder)
    {
        for (var at = new DirectoryInfo(folder); at is not null; at = at.Parent) yield return at.FullName;
    }
}
