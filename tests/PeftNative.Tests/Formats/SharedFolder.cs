using Xunit;

namespace PeftNative.Tests.Formats;

/// <summary>
/// Finds the recorded reference files beside the repository; tests that need them are skipped where they are absent.
/// </summary>
internal static class SharedFolder
{
    public static string Require(string relative)
    {
        var root = Environment.GetEnvironmentVariable("PEFTNATIVE_SHARED") ?? Search();
        var path = root is null ? null : Path.Combine(root, relative);
        if (!Path.Exists(path))
            Assert.Skip($"shared/{relative} is not on this machine (looked above {AppContext.BaseDirectory}).");
        return path!;
    }

    private static string? Search()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var isRoot = File.Exists(Path.Combine(folder.FullName, "PeftNative.sln"));
            if (isRoot) return folder.Parent is null ? null : Path.Combine(folder.Parent.FullName, "shared");
        }
        return null;
    }
}

/// <summary>A folder of its own for one test, deleted afterwards.</summary>
internal sealed class ScratchFolder : IDisposable
{
    public string Root { get; } = Directory.CreateTempSubdirectory("peftnative-test-").FullName;

    public string File(string name) => Path.Combine(Root, name);

    public string Write(string name, byte[] bytes)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(File(name))!);
        System.IO.File.WriteAllBytes(File(name), bytes);
        return File(name);
    }

    public string Write(string name, string text) => Write(name, System.Text.Encoding.UTF8.GetBytes(text));

    public void Dispose() => Directory.Delete(Root, recursive: true);
}
