using System.Runtime.InteropServices;
using Xunit;

namespace PeftNative.Package.Tests;

/// <summary>
/// The samples of the documentation, built from the packages in a folder that knows nothing of the sources.
/// </summary>
public sealed class SampleTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("peftnative-samples-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Train_then_adapters_then_generate()
    {
        Assert.Matches("loss .* -> .*; saved a", Run("train", Packages.Model, Place("a")));
        Assert.Matches("loss .* -> .*; saved b", Again("train", Packages.Model, Place("b")));
        var shown = Run("adapters", Packages.Model, Place("a"), Place("b"), Place("merged"));
        Assert.Contains("merged ", shown, StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(Place("merged"), "model.safetensors")));
        Assert.Contains(" tokens, ", Run("generate", Packages.Model, "The code of box 1 is", Place("a")),
            StringComparison.Ordinal);
    }

    [Fact]
    public void Loop() =>
        Assert.Matches("step 1: loss .*\nstep 10: loss", Run("loop", Packages.Model).ReplaceLineEndings("\n"));

    [Fact]
    public void Classify() => Assert.Matches("[456] of 6 right", Run("classify", Packages.Model));

    [Fact]
    public void Generate_ahead_of_time_without_a_warning()
    {
        if (OperatingSystem.IsLinux() && !Has("gcc") && !Has("clang"))
            Assert.Skip("ahead-of-time compilation needs a linker: gcc or clang");
        Packages.CopySample("generate", Place("generate"));
        var log = Packages.Run("dotnet", Place("generate"), "publish", "-r", RuntimeInformation.RuntimeIdentifier, "-o",
            Place("native"),
            "-p:TreatWarningsAsErrors=true", OperatingSystem.IsLinux() && !Has("clang")
                ? "-p:CppCompilerAndLinker=gcc" : "-p:Quiet=true");
        Assert.DoesNotContain("warning", log, StringComparison.OrdinalIgnoreCase);
        var program = Path.Combine(Place("native"), OperatingSystem.IsWindows() ? "generate.exe" : "generate");
        var shown = Packages.Run(program, folder, Packages.Model, "Once upon a time");
        Assert.Contains(" tokens, ", shown, StringComparison.Ordinal);
        TestContext.Current.SendDiagnosticMessage(
            $"{new FileInfo(program).Length / 1e6:0.0} MB; {shown.Split('\n')[^2]}");
    }

    private string Place(string name) => Path.Combine(folder, name);

    private string Run(string sample, params string[] arguments)
    {
        Packages.CopySample(sample, Place(sample));
        Packages.Run("dotnet", Place(sample), "build", "-c", "Release", "-p:TreatWarningsAsErrors=true", "-o",
            Place(sample + "-bin"));
        return Again(sample, arguments);
    }

    private string Again(string sample, params string[] arguments) =>
        Packages.Run("dotnet", folder, [Path.Combine(Place(sample + "-bin"), sample + ".dll"), .. arguments]);

    private static bool Has(string program) => Environment.GetEnvironmentVariable("PATH")!.Split(Path.PathSeparator)
        .Any(p => File.Exists(Path.Combine(p, program)));
}
