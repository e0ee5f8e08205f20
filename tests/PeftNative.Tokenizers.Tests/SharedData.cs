using Xunit;

namespace PeftNative.Tokenizers.Tests;

/// <summary>Finds the recorded data beside the repository.</summary>
internal static class SharedData
{
    /// <summary>A path below the folder shared/; the test is skipped with a reason where it is not there.</summary>
    public static string Need(string relative)
    {
        var root = Environment.GetEnvironmentVariable("PEFTNATIVE_SHARED") ?? FindShared();
        var path = root is null ? null : Path.Combine(root, relative);
        if (path is null || !Path.Exists(path))
            Assert.Skip($"the recorded data shared/{relative} is not beside the repository");
        return path;
    }

    private static string? FindShared()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "PeftNative.sln")))
                return Path.Combine(folder.Parent!.FullName, "shared");
        }
        return null;
    }
}
