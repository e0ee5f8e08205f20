using System.Reflection;
using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace PeftNative.Structure.Tests;

/// <summary>A source file of the repository.</summary>
/// <param name="Path">Its path from the root, with forward slashes.</param>
/// <param name="Text">What is in it.</param>
internal sealed record SourceFile(string Path, string Text)
{
    /// <summary>The folder it lies in, from the root.</summary>
    public string Folder => Path[..Math.Max(0, Path.LastIndexOf('/'))];

    /// <summary>Its lines.</summary>
    public IEnumerable<string> Lines => Text.TrimEnd('\n').Split('\n').Select(line => line.TrimEnd('\r'));
}

/// <summary>
/// All source files of the repository, read once; parsed when somebody asks. Used by one thread at a time.
/// </summary>
internal sealed partial class Sources
{
    private static readonly string[] Rooms = ["src", "tests", "benchmarks", "native", "kernels", "docs"];
    private static readonly string[] Kinds = [".cs", ".cpp", ".h", ".cu", ".cuh", ".sh", ".ps1"];

    private const string OutsideTheSolution = "src/PeftNative.Cuda.ManagedCuda/";

    private readonly Lazy<CSharpCompilation> compilation;

    private Sources(string root)
    {
        var below = Rooms.Select(room => Path.Combine(root, room)).Where(Directory.Exists)
            .SelectMany(room => Directory.EnumerateFiles(room, "*", SearchOption.AllDirectories));
        All = [.. Directory.EnumerateFiles(root).Concat(below)
            .Where(path => Kinds.Contains(Path.GetExtension(path)))
            .Select(path => (Path: path, Name: Path.GetRelativePath(root, path).Replace('\\', '/')))
            .Where(file => !Built().IsMatch(file.Name))
            .OrderBy(file => file.Name, StringComparer.Ordinal)
            .Select(file => new SourceFile(file.Name, File.ReadAllText(file.Path)))];
        Core = [.. Below("src/PeftNative")];
        Product = [.. Below("src").Where(f => !f.Path.StartsWith(OutsideTheSolution, StringComparison.Ordinal))];
        compilation = new(Compile);
    }

    /// <summary>The root of the repository.</summary>
    public static string Root { get; } = Metadata("Root");

    /// <summary>The repository these tests were built in.</summary>
    public static Sources Here { get; } = new(Root);

    /// <summary>Where the table of measures goes.</summary>
    public static string TablePath { get; } = Metadata("Table");

    /// <summary>Every file, ordered by path.</summary>
    public IReadOnlyList<SourceFile> All { get; }

    /// <summary>The C# files of the core library.</summary>
    public IReadOnlyList<SourceFile> Core { get; }

    /// <summary>The C# files of every project of the solution's src.</summary>
    public IReadOnlyList<SourceFile> Product { get; }

    /// <summary>
    /// All projects of src with their symbols, as if they were one; without packages and what generators add.
    /// </summary>
    public CSharpCompilation Compilation => compilation.Value;

    /// <summary>The text of a file of the repository, or null where there is none.</summary>
    public static string? Text(string path) => File.Exists(Path.Combine(Root, path))
        ? File.ReadAllText(Path.Combine(Root, path)) : null;

    /// <summary>C# files below some folders.</summary>
    public IEnumerable<SourceFile> Below(params string[] folders) => All.Where(file =>
        file.Path.EndsWith(".cs", StringComparison.Ordinal)
        && folders.Any(folder => file.Path.StartsWith(folder + "/", StringComparison.Ordinal)));

    private CSharpCompilation Compile()
    {
        const string implicitUsings = """
            global using System; global using System.Collections.Generic; global using System.IO;
            global using System.Linq; global using System.Threading; global using System.Threading.Tasks;
            """;
        var options = CSharpParseOptions.Default.WithLanguageVersion(LanguageVersion.Preview);
        var runtime = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
            .Where(path => Path.GetFileName(path).StartsWith("System", StringComparison.Ordinal));
        return CSharpCompilation.Create(
            "src",
            [.. Product.Select(file => CSharpSyntaxTree.ParseText(file.Text, options, file.Path)),
                CSharpSyntaxTree.ParseText(implicitUsings, options, "implicit.cs")],
            runtime.Select(path => MetadataReference.CreateFromFile(path)),
            new(OutputKind.DynamicallyLinkedLibrary, allowUnsafe: true,
                nullableContextOptions: NullableContextOptions.Enable));
    }

    private static string Metadata(string key) => typeof(Sources).Assembly
        .GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == key).Value!;

    [GeneratedRegex("(^|/)(bin|obj)/")]
    private static partial Regex Built();
}
