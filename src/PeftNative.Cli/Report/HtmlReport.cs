using System.Net;
using System.Text;
using System.Text.Json.Nodes;

namespace PeftNative.Cli.Report;

/// <summary>A page about a run that needs nothing but itself: plots, tables, light and dark, readable on a phone.</summary>
internal static class HtmlReport
{
    private const string Style = """
        :root{--bg:#fbfaf7;--ink:#1d2433;--soft:#667085;--line:#e3e0d8;--card:#fff;--a:#0b6e63;--b:#c2410c}
        @media(prefers-color-scheme:dark){:root{--bg:#12151c;--ink:#e8eaf0;--soft:#98a1b3;--line:#2b3140;--card:#1a1f2a;--a:#4fd1bd;--b:#fb923c}}
        *{box-sizing:border-box}body{margin:0 auto;max-width:64rem;padding:1.5rem 1rem 4rem;background:var(--bg);color:var(--ink);
        font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
        h1{font-size:1.6rem;line-height:1.2;margin:0 0 .25rem}h2{font-size:1.05rem;margin:2.2rem 0 .6rem}p.sub{color:var(--soft);margin:0 0 1.2rem}
        .cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.7rem}
        .card{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.7rem .9rem}
        .card b{display:block;font-size:1.35rem;font-variant-numeric:tabular-nums}.card span{color:var(--soft);font-size:.85rem}
        .plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:.9rem}
        figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.7rem .6rem .3rem}
        figcaption{font-weight:600;font-size:.92rem;padding:0 .4rem .3rem}svg{display:block;width:100%;height:auto}
        svg text{fill:var(--soft);font-size:12px;font-family:inherit}.grid{stroke:var(--line)}
        polyline{fill:none;stroke-width:2;stroke-linejoin:round}polyline.a{stroke:var(--a)}polyline.b{stroke:var(--b)}
        polyline.faint{stroke:var(--a);opacity:.28;stroke-width:1}circle.a{fill:var(--a)}circle.b{fill:var(--b)}circle.faint{display:none}
        .key{font-weight:400;color:var(--soft);margin-left:.8rem;font-size:.85rem}.key::before{content:"";display:inline-block;width:.9rem;height:3px;
        margin-right:.35rem;vertical-align:middle;background:var(--a)}.key.b::before{background:var(--b)}.key.faint::before{opacity:.3}
        .scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}
        td,th{padding:.32rem .8rem .32rem 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:top;overflow-wrap:anywhere}
        th{font-weight:600;color:var(--soft)}pre{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.8rem;font-size:.85rem}
        """;

    /// <summary>The page.</summary>
    /// <param name="title">Heading.</param>
    /// <param name="subtitle">A line below it.</param>
    /// <param name="cards">The few numbers that matter: name and value.</param>
    /// <param name="log">The lines of log.jsonl.</param>
    /// <param name="facts">The start panel.</param>
    /// <param name="sample">A text, how it goes on in the data, and how the model went on before and after; may be empty.</param>
    /// <param name="config">config.resolved.yaml.</param>
    public static string Write(
        string title, string subtitle, IEnumerable<(string Name, string Value)> cards, IReadOnlyList<JsonObject> log,
        IEnumerable<(string Name, string Text)> facts, IReadOnlyList<(string Name, string Text)> sample, string config)
    {
        var page = new StringBuilder();
        page.Append("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
        page.Append($"<meta name=\"color-scheme\" content=\"light dark\"><title>{Text(title)}</title><style>{Style}</style></head><body>\n");
        page.Append($"<h1>{Text(title)}</h1><p class=\"sub\">{Text(subtitle)}</p>\n<div class=\"cards\">");
        foreach (var (name, value) in cards) page.Append($"<div class=\"card\"><b>{Text(value)}</b><span>{Text(name)}</span></div>");
        page.Append("</div>\n<h2>Course of training</h2>\n<div class=\"plots\">").Append(Plots(log)).Append("</div>\n");
        AppendEvaluations(page, log);
        AppendTable(page, "A text before and after", sample);
        AppendTable(page, "What was trained", facts);
        page.Append("<h2>Configuration</h2>").Append($"<pre>{Text(config)}</pre>\n</body></html>\n");
        return page.ToString();
    }

    private static void AppendTable(StringBuilder page, string title, IEnumerable<(string Name, string Text)> rows)
    {
        var list = rows.ToList();
        if (list.Count == 0) return;
        page.Append($"<h2>{Text(title)}</h2><div class=\"scroll\"><table>");
        foreach (var (name, text) in list) page.Append($"<tr><th>{Text(name)}</th><td>{Text(text)}</td></tr>");
        page.Append("</table></div>\n");
    }

    private static string Plots(IReadOnlyList<JsonObject> log)
    {
        var steps = log.Where(l => l["event"]?.GetValue<string>() == "step").ToList();
        var evals = log.Where(l => l["event"]?.GetValue<string>() == "eval").ToList();
        var loss = Points(steps, "loss");
        var accuracy = Points(evals, "eval_accuracy") is { Count: > 0 } a ? a : Points(evals, "eval_token_accuracy");
        return SvgChart.Draw("Loss", [new("each step", "faint", loss), new("smoothed", "a", Smooth(loss)), new("evaluation", "b", Points(evals, "eval_loss"))])
            + SvgChart.Draw("Accuracy in evaluation", [new("accuracy", "b", accuracy)])
            + SvgChart.Draw("Learning rate", [new("rate", "a", Points(steps, "learning_rate"))], fromZero: true)
            + SvgChart.Draw("Gradient norm, before clipping", [new("norm", "a", Points(steps, "grad_norm"))], fromZero: true)
            + SvgChart.Draw("Tokens per second", [new("rate", "a", Points(steps, "tokens_per_s"))], fromZero: true);
    }

    private static List<(double, double)> Points(List<JsonObject> lines, string key) =>
        [.. lines.Where(l => l[key] is not null).Select(l => (Output.JsonLines.ToDouble(l["step"]), Output.JsonLines.ToDouble(l[key])))];

    // An exponential mean over about a twentieth of the run.
    private static List<(double, double)> Smooth(List<(double X, double Y)> points)
    {
        var keep = 1 - 1 / Math.Max(1, points.Count / 20.0);
        var (result, mean) = (new List<(double, double)>(points.Count), points.Count > 0 ? points[0].Y : 0);
        foreach (var (x, y) in points) result.Add((x, mean = keep * mean + (1 - keep) * y));
        return result;
    }

    private static void AppendEvaluations(StringBuilder page, IReadOnlyList<JsonObject> log)
    {
        var evals = log.Where(l => l["event"]?.GetValue<string>() == "eval").ToList();
        if (evals.Count == 0) return;
        var keys = evals[0].Select(p => p.Key).Where(k => k.StartsWith("eval_", StringComparison.Ordinal)).ToList();
        page.Append("<h2>Evaluations</h2><div class=\"scroll\"><table><tr><th>step</th>");
        foreach (var key in keys) page.Append($"<th>{Text(key[5..].Replace('_', ' '))}</th>");
        page.Append("</tr>");
        foreach (var eval in evals)
        {
            page.Append($"<tr><td>{eval["step"]}{(eval["is_best"]?.GetValue<bool>() == true ? " ★" : "")}</td>");
            foreach (var key in keys) page.Append($"<td>{(eval[key] is { } v ? Output.Quantity.Metric(Output.JsonLines.ToDouble(v)) : "-")}</td>");
            page.Append("</tr>");
        }
        page.Append("</table></div>\n");
    }

    private static string Text(string text) => WebUtility.HtmlEncode(text);
}
