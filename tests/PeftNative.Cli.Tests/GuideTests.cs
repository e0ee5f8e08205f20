using System.Text.RegularExpressions;
using PeftNative.Cli.Options;
using Xunit;

namespace PeftNative.Cli.Tests;

/// <summary>The guides name files, commands and messages that exist.</summary>
public sealed partial class GuideTests
{
    public static TheoryData<string> Guides =>
        ["adding-an-operation.md", "adding-a-method.md", "adding-a-family.md", "troubleshooting.md", "ilgpu.md"];

    [Theory]
    [MemberData(nameof(Guides))]
    public void Files_that_are_named_exist(string guide)
    {
        var root = RepositoryOrSkip();
        var missing = NamedFile().Matches(Read(root, guide)).Select(m => m.Groups[1].Value)
            .Where(f => !File.Exists(Path.Combine(root, f)) && !Directory.Exists(Path.Combine(root, f)));
        Assert.Empty(missing);
        var links = Link().Matches(Read(root, guide)).Select(m => m.Groups[1].Value)
            .Where(l => !l.StartsWith("http", StringComparison.Ordinal));
        Assert.All(links, l => Assert.True(File.Exists(Path.Combine(root, "docs", l)), l));
    }

    [Theory]
    [MemberData(nameof(Guides))]
    public void Commands_that_are_shown_can_be_given(string guide)
    {
        var commands = Command().Matches(Read(RepositoryOrSkip(), guide))
            .Select(m => m.Groups[1].Value.Trim()).ToList();
        Assert.All(commands, command =>
        {
            var words = Word().Matches(command).Select(m => m.Value.Trim('\'')).ToList();
            var verb = Assert.Single(Cli.Verbs, v => v.Name == words[0]);
            CommandParser.Parse(verb, words[1..]); // throws for what it does not know
        });
    }

    [Fact]
    public void Messages_of_the_troubleshooting_guide_are_those_of_the_code()
    {
        var root = RepositoryOrSkip();
        var code = string.Concat(Directory.EnumerateFiles(Path.Combine(root, "src"), "*.cs",
            SearchOption.AllDirectories).Select(File.ReadAllText));
        var messages = Message().Matches(Read(root, "troubleshooting.md")).Select(m => m.Groups[1].Value).ToList();
        Assert.True(messages.Count > 15, $"{messages.Count} messages");
        Assert.All(messages, m => Assert.True(code.Contains(m, StringComparison.Ordinal), m));
    }

    private static string Read(string root, string guide) => File.ReadAllText(Path.Combine(root, "docs", guide));

    private static string RepositoryOrSkip()
    {
        for (var folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
            if (File.Exists(Path.Combine(folder, "PeftNative.sln"))) return folder;
        Assert.Skip("the tests do not run inside the repository");
        return "";
    }

    [GeneratedRegex(@"`((?:src|tests|native|docs|kernels|benchmarks)/[^`\s*]+|README\.md|CHANGELOG\.md)`")]
    private static partial Regex NamedFile();

    [GeneratedRegex(@"\]\(([^)#]+)\)")]
    private static partial Regex Link();

    // A line of its own, up to a remark, or between backticks with words behind it.
    [GeneratedRegex(@"(?:^ {4,}|`)peftnative ([^`\n#]+)", RegexOptions.Multiline)]
    private static partial Regex Command();

    [GeneratedRegex(@"'[^']*'|\S+")]
    private static partial Regex Word();

    [GeneratedRegex(@"^\| `([^`]+)`", RegexOptions.Multiline)]
    private static partial Regex Message();
}
