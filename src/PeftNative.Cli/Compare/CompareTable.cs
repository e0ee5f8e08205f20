using System.Globalization;
using System.Text.Json.Nodes;
using PeftNative.Cli.Output;
using PeftNative.Lab.Comparison;

namespace PeftNative.Cli.Compare;

/// <summary>
/// The comparison on the terminal: a row for each method, and the five claims with what was measured.
/// </summary>
internal static class CompareTable
{
    private const int Bold = 1, Width = 110;

    /// <summary>Prints both.</summary>
    public static void Print(ComparisonSummary summary, Terminal terminal)
    {
        terminal.Object(Json(summary));
        terminal.Line();
        foreach (var line in Table(summary).Lines()) terminal.Line("  " + line);
        foreach (var claim in Claims.Of(summary))
        {
            terminal.Line();
            terminal.Line("  " + terminal.Paint(claim.Title, Bold));
            foreach (var line in Wrap(claim.Text)) terminal.Line("    " + line);
        }
    }

    /// <summary>A mean, and behind it the standard deviation where there are several seeds.</summary>
    public static string Text(Spread spread) => spread.Values.Count < 2 ? Fixed(spread.Mean)
        : $"{Fixed(spread.Mean)} ±{Fixed(spread.Deviation)}";

    /// <summary>A measure with three decimals.</summary>
    public static string Fixed(double value) => Math.Abs(value) < 1000
        ? value.ToString("0.000", CultureInfo.InvariantCulture) : Quantity.Number(value);

    private static TextTable Table(ComparisonSummary summary)
    {
        var sizes = summary.Plan.Sizes;
        var table = new TextTable(["method", "trained", "share", "stored", "step", "memory",
            .. sizes.Select(s => $"{summary.Facts.Metric} @{s}"), "base's knowledge"]);
        foreach (var m in summary.Methods)
            table.Add([m.Method.Name, Quantity.Count(m.Trainable),
                Quantity.Percent((double)m.Trainable / summary.Facts.Parameters),
                Quantity.Bytes(m.StoredBytes), $"{m.StepMilliseconds.ToString("0.0", CultureInfo.InvariantCulture)} ms",
                Quantity.Bytes(m.TrainingBytes),
                .. sizes.Select(s => m.Quality.TryGetValue(s, out var q) ? Text(q) : "-"), Text(m.KnowledgeOn)]);
        var before = summary.Facts.Before.GetValueOrDefault(summary.Facts.Metric);
        table.Add(["(base)", "0", "0 %", Quantity.Bytes(summary.Facts.ModelBytes), "-", "-",
            .. sizes.Select(_ => Fixed(before)), Fixed(summary.Facts.KnowledgeBefore)]);
        return table;
    }

    private static JsonObject Json(ComparisonSummary summary) => new()
    {
        ["event"] = "summary", ["metric"] = summary.Facts.Metric,
        ["methods"] = new JsonArray([.. summary.Methods.Select(m => (JsonNode)new JsonObject
        {
            ["method"] = m.Method.Name, ["is_baseline"] = m.Method.IsBaseline, ["trainable"] = m.Trainable,
            ["stored_bytes"] = m.StoredBytes,
            ["step_ms"] = m.StepMilliseconds, ["training_bytes"] = m.TrainingBytes,
            ["knowledge_on"] = m.KnowledgeOn.Mean,
            ["off_is_identical"] = m.OffIsIdentical,
            ["quality"] = new JsonObject(m.Quality.OrderBy(q => q.Key).Select(q => KeyValuePair.Create(
                q.Key.ToString(CultureInfo.InvariantCulture),
                (JsonNode?)new JsonObject { ["mean"] = q.Value.Mean, ["deviation"] = q.Value.Deviation,
                    ["runs"] = q.Value.Values.Count }))),
        })]),
        ["claims"] = new JsonObject(Claims.Of(summary)
            .Select(c => KeyValuePair.Create(c.Title, (JsonNode?)JsonValue.Create(c.Text)))),
    };

    private static List<string> Wrap(string text)
    {
        var lines = new List<string> { "" };
        foreach (var word in text.Split(' '))
        {
            if (lines[^1].Length + word.Length >= Width) lines.Add("");
            lines[^1] += lines[^1].Length == 0 ? word : " " + word;
        }
        return lines;
    }
}
