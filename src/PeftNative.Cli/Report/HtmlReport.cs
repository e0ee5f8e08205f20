using System.Text;
using System.Text.Json.Nodes;

namespace PeftNative.Cli.Report;

/// <summary>
/// A page about a run that needs nothing but itself: plots, tables, light and dark, readable on a phone.
/// </summary>
internal static class HtmlReport
{
    /// <summary>The page.</summary>
    /// <param name="title">Heading.</param>
    /// <param name="subtitle">A line below it.</param>
    /// <param name="cards">The few numbers that matter: name and value.</param>
    /// <param name="log">The lines of log.jsonl.</param>
    /// <param name="facts">The start panel.</param>
    /// <param name="sample">A text, how it goes on in the data, and how the model went on before and after; may be
    /// empty.</param>
    /// <param name="config">config.resolved.yaml.</param>
    public static string Write(
        string title, string subtitle, IEnumerable<(string Name, string Value)> cards, IReadOnlyList<JsonObject> log,
        IEnumerable<(string Name, string Text)> facts, IReadOnlyList<(string Name, string Text)> sample, string config)
    {
        var page = new HtmlPage(title, subtitle);
        page.Cards(cards);
        var warnings = log.Where(l => l["event"]?.GetValue<string>() == "warning").ToList();
        if (warnings.Count > 0)
            page.Heading("Warnings")
                .Table([.. warnings.Select(w => ($"step {w["step"]}", w["message"]!.GetValue<string>()))]);
        page.Heading("Course of training").Plots(Plots(log));
        AppendEvaluations(page, log);
        AppendLabels(page, log.LastOrDefault(l => l["per_class"] is not null));
        if (sample.Count > 0) page.Heading("A text before and after").Table(sample);
        page.Heading("What was trained").Table(facts).Heading("Configuration").Pre(config);
        return page.ToString();
    }

    private static string Plots(IReadOnlyList<JsonObject> log)
    {
        var steps = log.Where(l => l["event"]?.GetValue<string>() == "step").ToList();
        var evals = log.Where(l => l["event"]?.GetValue<string>() == "eval").ToList();
        var loss = Points(steps, "loss");
        var accuracy = Points(evals, "eval_accuracy") is { Count: > 0 } a ? a : Points(evals, "eval_token_accuracy");
        return SvgChart.Draw("Loss", [new("each step", "faint", loss), new("smoothed", "a", Series.Smooth(loss)),
            new("evaluation", "b", Points(evals, "eval_loss"))])
            + SvgChart.Draw("Accuracy in evaluation", [new("accuracy", "b", accuracy)])
            + SvgChart.Draw("Learning rate", [new("rate", "a", Points(steps, "learning_rate"))], fromZero: true)
            + SvgChart.Draw("Gradient norm, before clipping", [new("norm", "a", Points(steps, "grad_norm"))],
                fromZero: true)
            + SvgChart.Draw("Tokens per second", [new("rate", "a", Points(steps, "tokens_per_s"))], fromZero: true);
    }

    private static List<(double, double)> Points(List<JsonObject> lines, string key) =>
        [.. lines.Where(l => l[key] is not null)
            .Select(l => (Output.JsonLines.ToDouble(l["step"]), Output.JsonLines.ToDouble(l[key])))];

    private static void AppendLabels(HtmlPage page, JsonObject? eval)
    {
        if (eval is null) return;
        var classes = eval["per_class"]!.AsObject();
        var thresholds = eval["thresholds"]?.AsObject();
        string[] columns = ["label", "precision", "recall", "F1", "records", .. thresholds is null ? [] : Threshold];
        page.Heading($"Labels, evaluation at step {eval["step"]}").Html(HtmlPage.Columns(columns, classes.Select(c =>
            (c.Key, (IReadOnlyList<(string, string?)>)[
                Cell(c.Value!["precision"]), Cell(c.Value["recall"]), Cell(c.Value["f1"]),
                ($"{c.Value["support"]}", null), .. thresholds is null ? [] : new[] { Cell(thresholds[c.Key]) }]))));
        if (eval["confusion_matrix"] is not JsonArray matrix) return;
        page.Heading("Confusion matrix: labels down, predictions across").Html(HtmlPage.Columns(
            ["", .. classes.Select(c => c.Key)], classes.Select((c, i) => (c.Key,
                (IReadOnlyList<(string, string?)>)[.. matrix[i]!.AsArray().Select(n => ($"{n}", (string?)null))]))));

        static (string, string?) Cell(JsonNode? node) =>
            (Output.Quantity.Metric(Output.JsonLines.ToDouble(node)), null);
    }

    private static readonly string[] Threshold = ["threshold"];

    private static void AppendEvaluations(HtmlPage page, IReadOnlyList<JsonObject> log)
    {
        var evals = log.Where(l => l["event"]?.GetValue<string>() == "eval").ToList();
        if (evals.Count == 0) return;
        var keys = evals[0].Select(p => p.Key).Where(k => k.StartsWith("eval_", StringComparison.Ordinal)).ToList();
        var table = new StringBuilder("<tr><th>step</th>");
        foreach (var key in keys) table.Append($"<th>{HtmlPage.Text(key[5..].Replace('_', ' '))}</th>");
        table.Append("</tr>");
        foreach (var eval in evals)
        {
            table.Append($"<tr><td>{eval["step"]}{(eval["is_best"]?.GetValue<bool>() == true ? " ★" : "")}</td>");
            foreach (var key in keys)
                table.Append(
                    $"<td>{(eval[key] is { } v ? Output.Quantity.Metric(Output.JsonLines.ToDouble(v)) : "-")}</td>");
            table.Append("</tr>");
        }
        page.Heading("Evaluations").Html($"<div class=\"scroll\"><table>{table}</table></div>\n");
    }
}
