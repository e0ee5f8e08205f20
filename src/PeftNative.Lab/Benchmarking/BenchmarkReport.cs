using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;

namespace PeftNative.Lab.Benchmarking;

/// <summary>
/// Measurements of one run with the machine they come from; written and read as JSON, written as a table in markdown.
/// </summary>
/// <param name="Machine">The machine in one line.</param>
/// <param name="Command">How to measure the same again.</param>
/// <param name="Peaks">Peaks measured in the same run; null where none were.</param>
/// <param name="Measurements">The measurements.</param>
internal sealed record BenchmarkReport(string Machine, string Command, MachinePeaks? Peaks,
    IReadOnlyList<Measurement> Measurements)
{
    /// <summary>The report as JSON, every round included.</summary>
    public JsonObject ToJson() => new()
    {
        ["machine"] = Machine,
        ["command"] = Command,
        ["peaks"] = Peaks is null ? null : new JsonObject
        {
            ["fp32_gflops"] = Peaks.Fp32, ["bf16_gflops"] = Peaks.Bf16, ["int8_gops"] = Peaks.Int8,
            ["reading_gbs"] = Peaks.Reading, ["threads"] = Peaks.Threads,
        },
        ["measurements"] = new JsonArray([.. Measurements.Select(ToJson)]),
    };

    /// <summary>One measurement as JSON.</summary>
    public static JsonNode ToJson(Measurement m) => new JsonObject
    {
        ["name"] = m.Name, ["ms"] = m.Median, ["ms_q1"] = m.LowerQuartile, ["ms_q3"] = m.UpperQuartile,
        ["rate"] = m.RateUnit.Length > 0 ? m.Rate
            : null, ["rate_unit"] = m.RateUnit, ["share_of_peak"] = m.Peak > 0 ? m.Share : null,
        ["tokens_per_s"] = m.Tokens > 0 ? m.TokensPerSecond : null, ["operations"] = m.Operations, ["bytes"] = m.Bytes,
        ["tokens"] = m.Tokens,
        ["peak"] = m.Peak, ["rounds_ms"] = new JsonArray([.. m.Milliseconds.Select(t => (JsonNode)t)]),
    };

    /// <summary>Reads a report.</summary>
    /// <exception cref="DataException">The file is no report.</exception>
    public static BenchmarkReport Read(string path)
    {
        try
        {
            var json = JsonNode.Parse(File.ReadAllText(path))!;
            var peaks = json["peaks"] is { } p
                ? new MachinePeaks(Number(p, "fp32_gflops"), Number(p, "bf16_gflops"), Number(p, "reading_gbs"),
                    (int)Number(p, "threads"))
            {
                Int8 = p["int8_gops"] is null ? 0 : Number(p, "int8_gops"),
            } : null;
            return new BenchmarkReport(Text(json, "machine"), Text(json, "command"), peaks,
                [.. json["measurements"]!.AsArray().Select(m => FromJson(m!))]);
        }
        catch (Exception e) when (e is System.Text.Json.JsonException or InvalidOperationException
            or NullReferenceException or FormatException)
        {
            throw new DataException($"This is no report of a benchmark: {e.Message.ReplaceLineEndings(" ")}", path,
                "Give a file that peftnative bench --output wrote.");
        }
        catch (IOException e)
        {
            throw new StorageException($"The report cannot be read: {e.Message}", path,
                "Give a file that peftnative bench --output wrote.");
        }
    }

    /// <summary>The machine, its peaks and a table.</summary>
    public string ToMarkdown()
    {
        var text = new StringBuilder().AppendLine(CultureInfo.InvariantCulture, $"`{Command}`, on {Machine}")
            .AppendLine();
        if (Peaks is not null) text.AppendLine(Describe(Peaks)).AppendLine();
        text.AppendLine("| what | median ms | quartiles | rate | share of peak | tokens/s |")
            .AppendLine("|---|---|---|---|---|---|");
        foreach (var m in Measurements)
            text.AppendLine(CultureInfo.InvariantCulture, $"| {string.Join(" | ", Cells(m))} |");
        return text.ToString();
    }

    /// <summary>The peaks in one line.</summary>
    public static string Describe(MachinePeaks peaks) =>
        $"peaks of {peaks.Threads} threads: fp32 {peaks.Fp32:0} GFLOP/s, bf16 "
        + $"{(peaks.Bf16 > 0 ? $"{peaks.Bf16:0} GFLOP/s" : "none")}, int8 "
        + $"{(peaks.Int8 > 0 ? $"{peaks.Int8:0} GOP/s" : "none")}, reading {peaks.Reading:0.0} GB/s";

    /// <summary>A row of a table: name, median, quartiles, rate, share of the peak, tokens per second.</summary>
    public static string[] Cells(Measurement m) =>
    [
        m.Name, $"{m.Median:0.000}", $"{m.LowerQuartile:0.000} to {m.UpperQuartile:0.000}",
        m.RateUnit.Length > 0 ? $"{m.Rate:0.0} {m.RateUnit}" : "-",
        m.Peak > 0 ? $"{m.Share * 100:0} %" : "-", m.Tokens > 0 ? $"{m.TokensPerSecond:0}" : "-",
    ];

    private static Measurement FromJson(JsonNode m) =>
        new(Text(m, "name"), [.. m["rounds_ms"]!.AsArray().Select(t => t!.GetValue<double>())])
    {
        Operations = Number(m, "operations"), Bytes = Number(m, "bytes"), Tokens = Number(m, "tokens"),
        Peak = Number(m, "peak"),
    };

    private static string Text(JsonNode node, string key) => node[key]!.GetValue<string>();

    private static double Number(JsonNode node, string key) => node[key]!.GetValue<double>();
}
