using System.Text.Json.Nodes;
using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Lab.Benchmarking;

namespace PeftNative.Cli.Bench;

/// <summary>Shows and writes what was measured.</summary>
internal static class BenchOutput
{
    /// <summary>A report of these measurements.</summary>
    public static BenchmarkReport Report(string command, MachinePeaks? peaks,
        IReadOnlyList<Measurement> measurements) =>
        new(MachineDescription.Line, command, peaks, measurements);

    /// <summary>A table for people, JSON lines for machines, and the files that are asked for.</summary>
    public static void Show(SettingValues values, Terminal terminal, BenchmarkReport report)
    {
        if (report.Peaks is not null) terminal.Line(BenchmarkReport.Describe(report.Peaks));
        var table = new TextTable("what", "median ms", "quartiles", "rate", "of peak", "tokens/s");
        foreach (var m in report.Measurements)
        {
            table.Add(BenchmarkReport.Cells(m));
            terminal.Object((JsonObject)BenchmarkReport.ToJson(m));
        }
        foreach (var line in table.Lines()) terminal.Line(line);
        Write(values, report);
    }

    /// <summary>Writes the files that are asked for.</summary>
    public static void Write(SettingValues values, BenchmarkReport report)
    {
        if (values.OptionalText(BenchSettings.Output) is { } json)
            WriteFile(json, report.ToJson().ToJsonString(JsonLines.Options));
        if (values.OptionalText(BenchSettings.Markdown) is { } markdown) WriteFile(markdown, report.ToMarkdown());
    }

    /// <summary>Writes a file.</summary>
    /// <exception cref="StorageException">It cannot be written.</exception>
    public static void WriteFile(string path, string text)
    {
        try
        {
            File.WriteAllText(path, text);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StorageException($"The report cannot be written: {e.Message}", path,
                "Name a file in a folder that exists.");
        }
    }
}
