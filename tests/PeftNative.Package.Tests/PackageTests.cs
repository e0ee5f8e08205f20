using System.IO.Compression;
using System.Xml.Linq;
using Xunit;

namespace PeftNative.Package.Tests;

public class PackageTests
{
    public static TheoryData<string> Libraries =>
        ["PeftNative", "PeftNative.Lab", "PeftNative.Jinja", "PeftNative.Tokenizers",
            "PeftNative.Extensions.AI", "PeftNative.Extensions.Logging"];

    [Theory]
    [MemberData(nameof(Libraries))]
    public void A_package_has_library_documentation_readme_licence_and_symbols(string name)
    {
        var path = Packages.Find(name);
        using var package = ZipFile.OpenRead(path);
        Assert.NotNull(package.GetEntry($"lib/net10.0/{name}.dll"));
        Assert.NotNull(package.GetEntry($"lib/net10.0/{name}.xml"));
        Assert.NotNull(package.GetEntry("README.md"));
        Assert.Equal("MIT", Metadata(package, "license"));
        Assert.NotEmpty(Metadata(package, "description"));
        using var symbols = ZipFile.OpenRead(Path.ChangeExtension(path, ".snupkg"));
        Assert.NotNull(symbols.GetEntry($"lib/net10.0/{name}.pdb"));
    }

    [Fact]
    public void The_core_depends_on_nothing_and_carries_the_native_library()
    {
        using var package = ZipFile.OpenRead(Packages.Find("PeftNative"));
        Assert.DoesNotContain(Specification(package).Descendants(), e => e.Name.LocalName == "dependency");
        Assert.Contains(package.Entries, e => e.FullName.StartsWith("runtimes/", StringComparison.Ordinal)
            && e.FullName.Contains("/native/", StringComparison.Ordinal)
            && e.Name.Contains("peftnative_cpu", StringComparison.Ordinal));
    }

    [Fact]
    public void The_command_installs_as_a_tool_and_runs()
    {
        var folder = Directory.CreateTempSubdirectory("peftnative-tool-").FullName;
        try
        {
            Packages.Run("dotnet", folder, "tool", "install", "PeftNative.Tool", "--tool-path", folder, "--source",
                Packages.Folder(), "--version", "0.1.0");
            Assert.Contains("cpu",
                Packages.Run(Path.Combine(folder, OperatingSystem.IsWindows() ? "peftnative.exe" : "peftnative"),
                    folder, "env"), StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static string Metadata(ZipArchive package, string name) => Specification(package).Descendants()
        .First(e => e.Name.LocalName == name).Value;

    private static XDocument Specification(ZipArchive package)
    {
        using var stream = package.Entries.Single(e => e.Name.EndsWith(".nuspec", StringComparison.Ordinal)).Open();
        return XDocument.Load(stream);
    }
}
