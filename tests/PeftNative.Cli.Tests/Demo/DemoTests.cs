using System.Text.RegularExpressions;
using PeftNative.Backends;
using PeftNative.Cli.Demo;
using PeftNative.Cli.Demo.Base;
using PeftNative.Cli.Output;
using PeftNative.Lab.Comparison;
using Xunit;

namespace PeftNative.Cli.Tests.Demo;

/// <summary>The demo itself, short; what it learns in full length is measured where the demo runs.</summary>
public sealed class DemoTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_short_demo_trains_every_method_and_leaves_the_base_alone()
    {
        var (found, text) = RunShort();
        Assert.True(found.IsProved);
        Assert.Equal(["lora", "ia3", "prefix", "prompt", "p_tuning", "bottleneck", "full"],
            found.Summary.Methods.Select(m => m.Method.Name));
        Assert.All(found.Results.Cells, c => Assert.True(c.OffIsIdentical));
        Assert.All(found.Summary.Adapters,
            m => Assert.NotEqual(found.Summary.Facts.KnowledgeBefore, m.KnowledgeOn.Mean));
        var lora = found.Summary.Cells[0].Curve;
        Assert.True(lora[^1].Loss < lora[0].Loss);
        Assert.Equal(2, found.Before.Count);
        Assert.Equal(3, found.SameSentence.Count());
        Assert.True(File.Exists(Path.Combine(found.AdapterFolder, "adapter_model.safetensors")));
        Assert.Contains(FileDigests.Of(BaseFiles.Bundled)["model.safetensors"], text, StringComparison.Ordinal);
        Assert.DoesNotContain("FAILED", text, StringComparison.Ordinal);
        foreach (var number in (string[])["1. ", "2. ", "3. ", "4. ", "5. "])
            Assert.Contains("\n  " + number, text, StringComparison.Ordinal);

        var page = DemoReport.Write(found);
        Assert.DoesNotMatch("<script|src=|href=|url\\(|@import|https?://", page);
        Assert.Contains("prefers-color-scheme:dark", page, StringComparison.Ordinal);
        Assert.Contains("width=device-width", page, StringComparison.Ordinal);
        foreach (var tag in "div p dl dd dt code span svg figure table tr td th ul li body html".Split(' '))
            Assert.Equal(Regex.Count(page, $"<{tag}[ >]"), Regex.Count(page, $"</{tag}>"));
    }

    [Fact]
    public void A_base_that_is_not_there_is_reported_with_the_command_that_makes_it() =>
        Assert.Contains("--rebuild_base", Command.Fail(4, "demo", "--base", folder["none"]), StringComparison.Ordinal);

    private (Findings Found, string Text) RunShort()
    {
        using var backend = BackendFactory.Create();
        using var interruption = new Interruption();
        using var output = new StringWriter { NewLine = "\n" };
        var terminal = new Terminal(output, TextWriter.Null, TextReader.Null, interruption);
        var plan = new DemoPlan(Steps: 6, FewRecords: 4, Records: 32, ExamSize: 2, OwnTexts: 2);
        var run = new DemoRun(BaseFiles.Bundled, folder["demo"], plan, 42, backend, terminal);
        DemoConsole.Begin(run.Facts, terminal);
        var found = run.Run();
        DemoConsole.End(found, "report.html", terminal);
        return (found, output.ToString());
    }
}
