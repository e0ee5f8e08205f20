using System.Text.Json.Nodes;
using Xunit;

namespace PeftNative.Cli.Tests;

/// <summary>What a call of the command gave.</summary>
internal sealed record Outcome(int Code, string Out, string Error)
{
    /// <summary>The JSON lines of the output.</summary>
    public List<JsonObject> Lines =>
        [.. Out.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => (JsonObject)JsonNode.Parse(l)!)];
}

/// <summary>Runs the command in this process.</summary>
internal static class Command
{
    /// <summary>Runs a call, whatever comes of it.</summary>
    public static Outcome Run(params string[] args) => RunWith("", args);

    /// <summary>Runs a call with something piped in.</summary>
    public static Outcome RunWith(string input, params string[] args)
    {
        using var output = new StringWriter { NewLine = "\n" };
        using var error = new StringWriter { NewLine = "\n" };
        var code = Cli.Run(args, output, error, new StringReader(input));
        return new Outcome(code, output.ToString(), error.ToString());
    }

    /// <summary>Runs a call that must succeed.</summary>
    public static Outcome Succeed(params string[] args)
    {
        var outcome = Run(args);
        Assert.True(outcome.Code == 0,
            $"exit code {outcome.Code} of {string.Join(' ', args)}\n{outcome.Error}\n{outcome.Out}");
        return outcome;
    }

    /// <summary>Runs a call that must fail in at most three lines: what, where, what to do.</summary>
    public static string Fail(int code, params string[] args)
    {
        var outcome = Run(args);
        Assert.Equal(code, outcome.Code);
        var lines = outcome.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Where(l => !l.StartsWith("warning:", StringComparison.Ordinal)).ToList();
        Assert.InRange(lines.Count, 1, 3);
        Assert.StartsWith("error: ", lines[0], StringComparison.Ordinal);
        Assert.All(lines.Skip(1), l => Assert.True(l.StartsWith("where: ", StringComparison.Ordinal)
            || l.StartsWith("to do: ", StringComparison.Ordinal), l));
        Assert.DoesNotContain("   at ", outcome.Error, StringComparison.Ordinal);
        return string.Join('\n', lines);
    }
}

/// <summary>A folder that goes when the test is over.</summary>
public sealed class TemporaryFolder : IDisposable
{
    public TemporaryFolder() => Directory.CreateDirectory(Root);

    public string Root { get; } = Path.Combine(Path.GetTempPath(), $"peftnative-cli-{Guid.NewGuid():N}");

    public string this[string name] => Path.Combine(Root, name);

    /// <summary>Writes a file; returns its path.</summary>
    public string Write(string name, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(this[name])!);
        File.WriteAllText(this[name], text);
        return this[name];
    }

    public void Dispose() => Directory.Delete(Root, recursive: true);
}
