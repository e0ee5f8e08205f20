using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Xunit;

namespace PeftNative.Structure.Tests;

/// <summary>What pages for those who change the code name between backticks is there: files, types, members.</summary>
public partial class GuideTests
{
    // The names of rooms are those of folders below the core or behind "PeftNative."; see docs/architecture.md.
    private static readonly string[] Roots = ["", "src/PeftNative/", "src/PeftNative."];

    private static readonly Lazy<HashSet<string>> Declared = new(() => [.. Sources.Here.All
        .Where(file => file.Path.EndsWith(".cs", StringComparison.Ordinal)).AsParallel()
        .SelectMany(file => CSharpSyntaxTree.ParseText(file.Text,
            CSharpParseOptions.Default.WithLanguageVersion(LanguageVersion.Preview)).GetRoot().DescendantTokens())
        .Where(token => token.IsKind(SyntaxKind.IdentifierToken)
            && token.Parent is MemberDeclarationSyntax or VariableDeclaratorSyntax or ParameterSyntax)
        .Select(token => token.Text)]);

    public static TheoryData<string> Pages => ["CONTRIBUTING.md", "docs/architecture.md",
        .. Directory.GetFiles(Path.Combine(Sources.Root, "docs"), "adding-*.md").Select(path => "docs/"
            + Path.GetFileName(path))];

    [Theory]
    [MemberData(nameof(Pages))]
    public void Paths_exist(string page)
    {
        var paths = Quoted(page).Where(word => NamedPath().IsMatch(word)).ToList();
        List<string> missing = [.. paths.Where(path => !Roots.Any(root => Exists(root + path))
            && !Sources.Here.All.Any(file => file.Path.EndsWith("/" + path, StringComparison.Ordinal)))];
        Assert.NotEmpty(paths);
        Assert.Empty(missing);
    }

    [Theory]
    [MemberData(nameof(Pages))]
    public void Types_and_members_exist(string page)
    {
        var names = Quoted(page).Where(word => NamedType().IsMatch(word)).ToList();
        List<string> missing = [.. names.Where(name => !Roots.Any(root => Exists(root + name)) && !Identifier()
            .Matches(name).All(m => Declared.Value.Contains(m.Value) || m.Value is "TConfig" or "LibraryImport"))];
        Assert.NotEmpty(names);
        Assert.Empty(missing);
    }

    [Theory]
    [MemberData(nameof(Pages))]
    public void Links_lead_somewhere(string page)
    {
        var links = Link().Matches(Sources.Text(page)!).Select(m => m.Groups[1].Value)
            .Where(link => !link.StartsWith("http", StringComparison.Ordinal));
        Assert.All(links, link => Assert.True(Exists(Path.Combine(Path.GetDirectoryName(page)!, link)), link));
    }

    private static IEnumerable<string> Quoted(string page) =>
        Backticks().Matches(Sources.Text(page)!).Select(m => m.Groups[1].Value);

    // A star stands for the rest of a name.
    private static bool Exists(string path)
    {
        var full = Path.Combine(Sources.Root, path.TrimEnd('/'));
        var (folder, name) = (Path.GetDirectoryName(full)!, Path.GetFileName(full));
        return name.Contains('*') ? Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder, name).Any()
            : File.Exists(full) || Directory.Exists(full);
    }

    [GeneratedRegex("`([^`\n]+)`")]
    private static partial Regex Backticks();

    // With a folder, or a page of the root, or a file of C# by its name alone. What is built, and what lies beside the
    // repository, is not looked for.
    [GeneratedRegex(@"^(?!artifacts/|shared/|\./)[\w.*-]+(/[\w.*-]*)+$|^[A-Z]+\.md$|^\w+\.cs$")]
    private static partial Regex NamedPath();

    [GeneratedRegex(@"^[A-Z]\w*[a-z]\w*(\.[A-Z]\w+)*(<\w+>)?$")]
    private static partial Regex NamedType();

    [GeneratedRegex(@"\w+")]
    private static partial Regex Identifier();

    [GeneratedRegex(@"\]\(([^)#]+)\)")]
    private static partial Regex Link();
}
