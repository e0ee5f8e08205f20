using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using PeftNative.Cli.Output;
using PeftNative.Cli.Report;

namespace PeftNative.Cli.Demo;

/// <summary>The demo's page.</summary>
internal static partial class DemoReport
{
    private const int Shown = 6;

    private const string Style = """
        p.lead{font-size:1.05rem;max-width:46rem}
        .pair,.bars{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.9rem 1rem}
        .pair{margin:0 0 .8rem}
        .pair p{margin:0 0 .5rem;font-weight:600}.pair dt{color:var(--soft)}
        .pair dl{display:grid;grid-template-columns:5.5rem 1fr;gap:.35rem .6rem;margin:0;font-size:.92rem}
        .pair dd{margin:0;min-width:0;overflow-wrap:anywhere}.pair .ramble{color:var(--soft);font-style:italic}
        .pair code{font:.9em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
        .good,.value{color:var(--a)}.bad{color:var(--b)}.good,.bad{font-weight:700}.key-name{color:var(--soft)}
        .squares{display:flex;flex-wrap:wrap;gap:4px;margin:.2rem 0 .9rem}
        .squares i{width:1.05rem;height:1.05rem;border-radius:.2rem;background:var(--line)}
        .squares i.y{background:var(--a)}
        .bars div{display:grid;grid-template-columns:9rem 1fr 5.5rem;gap:.6rem;align-items:center;font-size:.92rem}
        .bars div+div{margin-top:.4rem}.bars b{height:.8rem;border-radius:.2rem;background:var(--a);min-width:2px}
        .bars span:last-child{text-align:right;font-variant-numeric:tabular-nums}
        ul.proofs{list-style:none;padding:0;margin:0 0 .6rem}ul.proofs li{padding:.25rem 0}
        pre{white-space:pre-wrap;overflow-wrap:anywhere}
        @media(max-width:32rem){.pair dl{grid-template-columns:1fr;gap:.1rem}.pair dt{margin-top:.4rem}
        .bars div{grid-template-columns:6.5rem 1fr 4.5rem}}
        """;

    /// <summary>The page.</summary>
    public static string Write(Findings found)
    {
        var time = DateTime.Now.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture);
        var subtitle = $"peftnative {Cli.Version} demo, {time}";
        var page = new HtmlPage("A small language model learns a new task", subtitle, Style);
        page.Html("<p class=\"lead\">The base has only ever read little stories. A LoRA adapter teaches it to read a "
            + "sentence and write down who has what, and where, as a record for programs. The people of the exam are in none of the "
            + "lessons, and nothing in the base is changed.</p>\n");
        page.Cards(Cards(found));
        page.Heading("Before and after");
        page.Html(Squares("base", found.Before)).Html(Squares("base with adapter", found.After));
        foreach (var (before, after) in DemoConsole.Choose(found, Shown)) page.Html(Pair(before, after));
        page.Heading("Course of training").Plots(Plots(found));
        page.Heading("The base is what it was").Html(Proofs(found));
        page.Table(found.Base.Files.Select(f => (f.Key, "sha256 " + f.Value)));
        page.Heading("Nothing is forgotten").Html("<p>Perplexity of texts of the base's own kind, which it has never "
            + "seen: lower is better. With the adapter off, the base is itself; with it on, it does its new task.</p>");
        page.Html(OwnText(found.OwnText));
        page.Heading("Sizes").Html(Sizes(found)).Heading("Times").Html(Times(found.Times));
        page.Heading("What was done").Table(found.Facts);
        return page.Heading("A sentence of your own").Pre(DemoConsole.Try(found)).ToString();
    }

    private static IEnumerable<(string, string)> Cards(Findings found) =>
    [
        ("records right before", $"{found.ExactBefore} of {found.Before.Count}"),
        ("records right after", $"{found.ExactAfter} of {found.After.Count}"),
        ("training", Quantity.Time(found.Times.Training)),
        ("tokens per second", Quantity.Count((long)found.TokensPerSecond)),
        ("adapter", Quantity.Bytes(found.AdapterBytes)),
        ("of the parameters trained", Quantity.Percent(found.TrainedShare)),
    ];

    private static string Squares(string name, IReadOnlyList<Answer> answers)
    {
        var html = new StringBuilder($"<div>{name}: {answers.Count(a => a.IsExact)} of {answers.Count} right</div>");
        html.Append($"<div class=\"squares\" role=\"img\" aria-label=\"{name}\">");
        foreach (var answer in answers)
            html.Append($"<i class=\"{(answer.IsExact ? "y" : "n")}\" title=\"{HtmlPage.Text(answer.Sentence)}\"></i>");
        return html.Append("</div>\n").ToString();
    }

    private static string Pair(Answer before, Answer after)
    {
        var html = new StringBuilder($"<div class=\"pair\"><p>{HtmlPage.Text(before.Sentence)}</p><dl>");
        html.Append($"<dt>base</dt><dd class=\"ramble\">{HtmlPage.Text(before.Given)}</dd>");
        html.Append($"<dt>adapted {Mark(after.IsExact)}</dt><dd><code>{Coloured(after.Given)}</code></dd>");
        if (!after.IsExact) html.Append($"<dt>right</dt><dd><code>{Coloured(after.Wanted)}</code></dd>");
        return html.Append("</dl></div>\n").ToString();
    }

    private static string Mark(bool holds) =>
        holds ? "<span class=\"good\">✓</span>" : "<span class=\"bad\">✗</span>";

    // The keys pale, the values in colour.
    private static string Coloured(string record) =>
        Key().Replace($"<span class=\"value\">{HtmlPage.Text(record)}</span>", "<span class=\"key-name\">$0</span>");

    [GeneratedRegex(@"\b[a-z]+:|[][{},]")]
    private static partial Regex Key();

    private static string Plots(Findings found)
    {
        List<(double X, double Y)> Trained(Func<Training.StepEvent, double> value) =>
            [.. found.Steps.Select(s => ((double)s.Step, value(s)))];
        List<(double, double)> Evaluated(string metric) =>
            [.. found.Evaluations.Select(e => ((double)e.Step, e.Metrics[metric]))];
        var loss = Trained(s => s.Loss);
        var speed = Trained(s => s.Tokens / s.Duration.TotalSeconds);
        Series[] losses =
        [
            new("lessons", "faint", loss), new("smoothed", "a", Series.Smooth(loss)),
            new("exam", "b", Evaluated("loss")),
        ];
        return SvgChart.Draw("Loss", losses, fromZero: true)
            + SvgChart.Draw("Tokens of the exam predicted right", [new("share", "b", Evaluated("token_accuracy"))])
            + SvgChart.Draw("Learning rate", [new("rate", "a", Trained(s => s.LearningRate))], fromZero: true)
            + SvgChart.Draw("Tokens per second",
                [new("each step", "faint", speed), new("smoothed", "a", Series.Smooth(speed))], fromZero: true);
    }

    private static string Proofs(Findings found)
    {
        var items = found.Proofs.InWords(found).Select(p => $"<li>{Mark(p.Holds)} {HtmlPage.Text(p.Text)}</li>");
        return $"<ul class=\"proofs\">{string.Concat(items)}</ul>\n";
    }

    private static string Sizes(Findings found) => Bars(
    [
        ("base, bf16", found.BaseBytes, Quantity.Bytes(found.BaseBytes)),
        ("adapter, fp32", found.AdapterBytes, Quantity.Bytes(found.AdapterBytes)),
    ]);

    private static string OwnText(OwnText own) => Bars(
    [
        ("before", own.Before, Fixed(own.Before)), ("after, off", own.Off, Fixed(own.Off)),
        ("after, on", own.On, Fixed(own.On)),
    ]);

    private static string Times(Times times) => Bars(
    [
        ("loading", times.Loading, Quantity.Time(times.Loading)),
        ("first exam", times.Before, Quantity.Time(times.Before)),
        ("training", times.Training, Quantity.Time(times.Training)),
        ("exam and proofs", times.After, Quantity.Time(times.After)),
    ]);

    private static string Bars(IReadOnlyList<(string Name, double Value, string Text)> rows)
    {
        var (html, most) = (new StringBuilder("<div class=\"bars\">"), rows.Max(r => r.Value));
        foreach (var (name, value, text) in rows)
            html.Append(CultureInfo.InvariantCulture,
                $"<div><span>{name}</span><b style=\"width:{100 * value / most:0.##}%\"></b><span>{text}</span></div>");
        return html.Append("</div>\n").ToString();
    }

    private static string Fixed(double value) => value.ToString("0.000", CultureInfo.InvariantCulture);
}
