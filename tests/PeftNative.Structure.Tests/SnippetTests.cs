using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Xunit;

namespace PeftNative.Structure.Tests;

/// <summary>Programs that pages show have no errors against the sources, and the usings they need.</summary>
public partial class SnippetTests
{
    private const string UnneededUsing = "CS8019";

    // All sources are compiled as one, where the command has its own statements.
    private static readonly string[] OfStatements = ["CS8802", "CS8805"];

    private static readonly string[] OfExtensions = ["IChatClient", "IEmbeddingGenerator", "ILogger"];

    public static TheoryData<string> Programs => ["README.md", .. Directory
        .GetFiles(Path.Combine(Sources.Root, "docs", "samples"), "Program.cs", SearchOption.AllDirectories)
        .Select(path => Path.GetRelativePath(Sources.Root, path).Replace('\\', '/'))];

    [Theory]
    [MemberData(nameof(Programs))]
    public void A_program_fits_the_sources(string file)
    {
        var text = Sources.Text(file)!.ReplaceLineEndings("\n");
        var code = file.EndsWith(".md", StringComparison.Ordinal) ? Assert.Single(Block().Matches(text))
            .Groups[1].Value : text;
        var tree = CSharpSyntaxTree.ParseText(code, CSharpParseOptions.Default
            .WithLanguageVersion(LanguageVersion.Preview), file);
        var problems = Sources.Here.Compilation.AddSyntaxTrees(tree).GetSemanticModel(tree).GetDiagnostics()
            .Where(d => d.Id == UnneededUsing || d.Severity == DiagnosticSeverity.Error)
            .Where(d => !OfStatements.Contains(d.Id));
        Assert.Empty(problems.Select(d => d.ToString()));
    }

    /// <summary>Words of code in docs/api.md that look like types or members are some, of ours or of .NET.</summary>
    [Fact]
    public void Names_in_the_page_of_the_library_exist()
    {
        var compilation = Sources.Here.Compilation;
        var words = Quoted().Matches(Sources.Text("docs/api.md")!).Select(m => m.Groups[1].Value)
            .Where(code => !NamesOther().IsMatch(code)).SelectMany(code => Word().Matches(Text().Replace(code, "")))
            .Select(m => m.Value).Distinct().ToList();
        Assert.True(words.Count > 60);
        string[] unknown = [.. words.Except(OfExtensions).Where(word => !compilation.ContainsSymbolsWithName(word)
            && typeof(object).Assembly.GetExportedTypes().All(type => type.Name.Split('`')[0] != word))];
        Assert.Empty(unknown);
    }

    [GeneratedRegex("```csharp\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Block();

    [GeneratedRegex("`([^`\n]+)`")]
    private static partial Regex Quoted();

    // Packages and commands.
    [GeneratedRegex("^PeftNative|^dotnet ")]
    private static partial Regex NamesOther();

    [GeneratedRegex("\"[^\"]*\"")]
    private static partial Regex Text();

    // With a small letter, so that names of formats are none.
    [GeneratedRegex(@"(?<![\w.-])[A-Z]\w*[a-z]\w*|(?<=\w\.)[A-Z]\w*[a-z]\w*")]
    private static partial Regex Word();
}
