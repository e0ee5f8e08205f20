using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Xunit;

namespace PeftNative.Package.Tests;

/// <summary>The program of the README, made by the commands that stand beside it.</summary>
public sealed partial class ReadmeTests : IDisposable
{
    private readonly string root = Directory.CreateTempSubdirectory("peftnative-readme-").FullName;
    private readonly string folder;

    // The cache of packages stands beside the folder, and must live as short: packages change, their version does not.
    public ReadmeTests() => folder = Path.Combine(root, "work");

    public void Dispose() => Directory.Delete(root, recursive: true);

    [Fact]
    public void The_program_builds_from_the_packages_and_trains()
    {
        var readme = File.ReadAllText(Path.Combine(Packages.Root, "README.md")).ReplaceLineEndings("\n");
        Packages.KnowPackages(folder);
        CopyModel();
        var records = Enumerable.Range(0, 16)
            .Select(i => new JsonObject { ["prompt"] = $"The code of box {i} is", ["completion"] = $" {i}." });
        File.WriteAllLines(Path.Combine(folder, "my-data.jsonl"), records.Select(r => r.ToJsonString()));
        foreach (var command in Command().Matches(readme)
            .Select(m => m.Groups[1].Value.Replace("$PWD/artifacts/packages", Packages.Folder(),
                StringComparison.Ordinal)))
        {
            // The new project's own program gives way to that of the README.
            if (command.StartsWith("run", StringComparison.Ordinal))
                File.WriteAllText(Path.Combine(folder, "my-app", "Program.cs"), Code().Match(readme).Groups[1].Value);
            var shown = Packages.Run("dotnet", folder, command.Split(' ', StringSplitOptions.RemoveEmptyEntries));
            if (command.StartsWith("run", StringComparison.Ordinal))
                Assert.Contains("loss", shown, StringComparison.OrdinalIgnoreCase);
        }
        Assert.True(File.Exists(Path.Combine(folder, "my-adapter", "adapter_model.safetensors")));
    }

    private void CopyModel()
    {
        Directory.CreateDirectory(Path.Combine(folder, "my-model"));
        foreach (var file in Directory.GetFiles(Packages.Model))
            File.Copy(file, Path.Combine(folder, "my-model", Path.GetFileName(file)));
    }

    [GeneratedRegex("^    dotnet (.+)$", RegexOptions.Multiline)]
    private static partial Regex Command();

    [GeneratedRegex("```csharp\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Code();
}
