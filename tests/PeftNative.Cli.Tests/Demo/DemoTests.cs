using System.Text.RegularExpressions;
using PeftNative.Backends;
using PeftNative.Cli.Demo;
using PeftNative.Cli.Demo.Base;
using PeftNative.Cli.Output;
using Xunit;

namespace PeftNative.Cli.Tests.Demo;

/// <summary>The demo itself, short; what it learns in full length is measured where the demo runs.</summary>
public sealed class DemoTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_short_demo_learns_saves_its_adapter_and_leaves_the_base_alone()
    {
        var (found, text) = RunShort();
        Assert.True(found.Proofs.All);
        Assert.Equal(found.OwnText.Before, found.OwnText.Off);
        Assert.NotEqual(found.OwnText.Before, found.OwnText.On);
        Assert.True(found.Steps.Last().Loss < found.Steps.First().Loss);
        Assert.Equal(2, found.Before.Count);
        Assert.Equal(0, found.ExactBefore);
        Assert.True(File.Exists(folder["adapter/adapter_model.safetensors"]));
        Assert.Contains("0 of 2 records right before", text, StringComparison.Ordinal);
        Assert.Contains(found.Base.Files["model.safetensors"][..16], text, StringComparison.Ordinal);
        Assert.DoesNotContain("FAILED", text, StringComparison.Ordinal);
    }

    [Fact]
    public void The_page_needs_nothing_but_itself()
    {
        var page = DemoReport.Write(RunShort().Found);
        Assert.DoesNotMatch("<script|src=|href=|url\\(|@import|https?://", page);
        Assert.Contains("prefers-color-scheme:dark", page, StringComparison.Ordinal);
        Assert.Contains("width=device-width", page, StringComparison.Ordinal);
        Assert.Equal(4, Regex.Count(page, "<svg "));
        foreach (var tag in "div p dl dd dt code span svg figure table ul li body html".Split(' '))
            Assert.Equal(Regex.Count(page, $"<{tag}[ >]"), Regex.Count(page, $"</{tag}>"));
    }

    [Fact]
    public void A_changed_file_and_a_changed_score_are_noticed()
    {
        var before = new Fingerprint(new Dictionary<string, string> { ["a"] = "1" }, [0f, 1f]);
        Assert.True(before.HasFilesOf(before with { Scores = [] }));
        Assert.False(before.HasFilesOf(before with { Files = new Dictionary<string, string> { ["a"] = "2" } }));
        Assert.False(before.HasFilesOf(before with { Files = new Dictionary<string, string>() }));
        Assert.True(before.HasScoresOf(before with { Scores = [0f, 1f] }));
        Assert.False(before.HasScoresOf(before with { Scores = [-0f, 1f] }));
        Assert.False(before.HasScoresOf(before with { Scores = [0f] }));
    }

    [Fact]
    public void A_base_that_is_not_there_is_reported_with_the_command_that_makes_it() =>
        Assert.Contains("--rebuild_base", Command.Fail(4, "demo", "--base", folder["none"]), StringComparison.Ordinal);

    private (Findings Found, string Text) RunShort()
    {
        using var backend = BackendFactory.Create();
        using var interruption = new Interruption();
        using var output = new StringWriter();
        var terminal = new Terminal(output, TextWriter.Null, TextReader.Null, interruption);
        var plan = new DemoPlan(Steps: 6, BatchSize: 2, ExamSize: 2, OwnTexts: 2);
        using var run = new DemoRun(BaseFiles.Bundled, folder["adapter"], plan, 42, backend, terminal);
        DemoConsole.Begin(run.Facts, terminal);
        var found = run.Run()!;
        DemoConsole.End(found, "report.html", terminal);
        return (found, output.ToString());
    }
}
