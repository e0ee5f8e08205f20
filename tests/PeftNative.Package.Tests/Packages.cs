using System.Diagnostics;
using System.Reflection;
using Xunit;

namespace PeftNative.Package.Tests;

/// <summary>The packages that <c>./build.sh pack</c> left, and programs that are built from them alone.</summary>
internal static class Packages
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(8);

    /// <summary>The sources.</summary>
    public static string Root { get; } = Value("Root");

    /// <summary>A small model that comes with the sources.</summary>
    public static string Model { get; } = Path.Combine(Root, "src", "PeftNative.Cli", "Assets", "demo-base");

    /// <summary>The folder of the packages; without them the test is skipped.</summary>
    public static string Folder()
    {
        var folder = Value("Packages");
        if (!Directory.Exists(folder) || Directory.GetFiles(folder, "PeftNative.0.*.nupkg").Length == 0)
            Assert.Skip($"there are no packages in {folder}; ./build.sh pack makes them");
        return folder;
    }

    /// <summary>A package by its name.</summary>
    public static string Find(string name) => Assert.Single(Directory.GetFiles(Folder(), $"{name}.*.nupkg"), p =>
        char.IsAsciiDigit(Path.GetFileName(p)[name.Length + 1]));

    /// <summary>Copies a sample into a new folder.</summary>
    public static void CopySample(string name, string target)
    {
        KnowPackages(target);
        foreach (var file in Directory.GetFiles(Path.Combine(Root, "docs", "samples", name)))
            File.Copy(file, Path.Combine(target, Path.GetFileName(file)));
    }

    /// <summary>
    /// Makes a folder that knows our packages from their folder alone, and packages of others from where this machine
    /// has them.
    /// </summary>
    public static void KnowPackages(string target)
    {
        Directory.CreateDirectory(target);
        var cache = Environment.GetEnvironmentVariable("NUGET_PACKAGES")
            ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        Directory.CreateDirectory(cache);
        File.WriteAllText(Path.Combine(target, "nuget.config"), $"""
            <configuration>
              <config><add key="globalPackagesFolder" value="{Path.Combine(target, "..", "cache")}" /></config>
              <fallbackPackageFolders><add key="machine" value="{cache}" /></fallbackPackageFolders>
              <packageSources><add key="ours" value="{Folder()}" /></packageSources>
              <packageSourceMapping>
                <packageSource key="ours">
                  <package pattern="PeftNative" /><package pattern="PeftNative.*" />
                </packageSource>
                {string.Concat(OtherSources().Select(TakesTheRest))}
              </packageSourceMapping>
            </configuration>
            """);
    }

    /// <summary>Runs a program that must succeed; returns what it wrote.</summary>
    public static string Run(string program, string folder, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { WorkingDirectory = folder, RedirectStandardOutput = true,
            RedirectStandardError = true };
        foreach (var name in start.Environment.Keys.Where(
            k => k.StartsWith("MSBuild", StringComparison.OrdinalIgnoreCase) || k == "PEFTNATIVE_NATIVE_DIR").ToList())
            start.Environment.Remove(name);
        start.Environment["DOTNET_NOLOGO"] = "1";
        start.Environment["CI"] = "";
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEndAsync();
        if (!process.WaitForExit(Limit))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{program} {string.Join(' ', arguments)} ran for more than {Limit}");
        }
        Assert.True(process.ExitCode == 0,
            $"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}\n{output.Result}\n{error.Result}");
        return output.Result;
    }

    private static string TakesTheRest(string source) =>
        $"<packageSource key=\"{source}\"><package pattern=\"*\" /></packageSource>";

    // The sources this machine is set up with, by name.
    private static IEnumerable<string> OtherSources() =>
        Run("dotnet", Root, "nuget", "list", "source", "--format", "Detailed").Split('\n')
        .Where(l => l.Contains("[Enabled]", StringComparison.Ordinal))
        .Select(l => l[(l.IndexOf('.', StringComparison.Ordinal) + 1)..l.IndexOf("[Enabled]",
            StringComparison.Ordinal)].Trim());

    private static string Value(string key) =>
        typeof(Packages).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().First(a => a.Key == key).Value!;
}
