using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using PeftNative.Cli.Compare;
using PeftNative.Cli.Output;
using PeftNative.Cli.Report;
using PeftNative.Lab.Comparison;

namespace PeftNative.Cli.Demo;

/// <summary>The demo's page: what a person can judge by looking, then the comparison.</summary>
internal static partial class DemoReport
{
    private const int Shown = 5;

    private const string Style = CompareReport.Style + """
        .pair{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.9rem 1rem;
        margin:0 0 .8rem}
        .pair p{margin:0 0 .5rem;font-weight:600}.pair dt{color:var(--soft)}
        .pair dl{display:grid;grid-template-columns:5.5rem 1fr;gap:.35rem .6rem;margin:0;font-size:.92rem}
        .pair dd{margin:0;min-width:0;overflow-wrap:anywhere}.pair .ramble{color:var(--soft);font-style:italic}
        .pair code{font:.9em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
        .good,.value{color:var(--a)}.bad{color:var(--b)}.good,.bad{font-weight:700}.key-name{color:var(--soft)}
        .exam{display:grid;grid-template-columns:6.2rem 1fr 5.4rem;gap:.35rem .7rem;align-items:center;font-size:.92rem}
        .exam>span:nth-child(3n){text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
        .squares{display:flex;flex-wrap:wrap;gap:3px}
        .squares i{width:.95rem;height:.95rem;border-radius:.2rem;background:var(--line)}
        .squares i.y{background:var(--a)}
        ul.proofs{list-style:none;padding:0;margin:0 0 .6rem}ul.proofs li{padding:.25rem 0}
        pre{white-space:pre-wrap;overflow-wrap:anywhere}
        @media(max-width:32rem){.pair dl{grid-template-columns:1fr;gap:.1rem}.pair dt{margin-top:.4rem}
        .squares i{width:.72rem;height:.72rem}
        .exam{grid-template-columns:4.9rem 1fr 5rem;row-gap:.8rem;font-size:.82rem}}
        """;

    /// <summary>The page.</summary>
    public static string Write(Findings found)
    {
        var time = DateTime.Now.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture);
        var page = new HtmlPage("A small language model learns a new task, in six ways",
            $"peftnative {Product.Version} demo, {time}", Style);
        page.Html(
            "<p class=\"lead\">The base has only ever read little stories. It is to read a sentence and write down who "
                + "has what, and where, as a "
            + "record for programs. The people of the exam are in none of the lessons, and nothing in the base is "
            + "changed.</p>\n");
        page.Cards(Cards(found));
        page.Heading($"The exam: {found.Before.Count} sentences, right only if right to the character")
            .Html(Exam(found));
        page.Heading($"Before and after ({found.Shown.Method.Name})");
        foreach (var (before, after) in found.Choose(Shown)) page.Html(Pair(before, after));
        page.Heading("One sentence, one base, three adapters").Html(Swapping(found));
        page.Heading("The base is what it was").Html(Proofs(found))
            .Table(found.Files.Select(f => (f.Key, "sha256 " + f.Value)));
        CompareReport.AddClaims(page, found.Summary);
        page.Heading("All numbers").Html(CompareReport.Numbers(found.Summary));
        page.Heading("What was done")
            .Table([.. found.Facts, .. CompareReport.Means(found.Summary), ("time", Quantity.Time(found.Seconds))]);
        return page.Heading("A sentence of your own").Pre(found.Try).ToString();
    }

    private static IEnumerable<(string, string)> Cards(Findings found) =>
    [
        ("records right before", $"{found.Before.Count(a => a.IsExact)} of {found.Before.Count}"),
        ($"right after ({found.Shown.Method.Name})", $"{found.After.Count(a => a.IsExact)} of {found.After.Count}"),
        ("the base", Quantity.Bytes(found.Summary.Facts.ModelBytes)),
        ($"the adapter ({found.Shown.Method.Name})", Quantity.Bytes(found.Shown.StoredBytes)),
        ("a training step", $"{found.Shown.StepMilliseconds.ToString("0", CultureInfo.InvariantCulture)} ms"),
        ($"{Quantity.Of(found.Results.Cells.Count, "training")}, exams and proofs", Quantity.Time(found.Seconds)),
    ];

    private static string Exam(Findings found)
    {
        var html = new StringBuilder("<div class=\"exam\">");
        Add("before", found.Before, found.TokensRight(null));
        foreach (var method in found.Summary.Methods)
            Add(method.Method.Name, found.AnswersOf(method), found.TokensRight(method));
        html.Append(
            "</div>\n<p class=\"note\">In brackets the share of the tokens that are right, those before them given. "
                + "Prompt tuning and P-tuning change ");
        return html.Append(
            "the input alone and are known to need larger models (Lester et al. 2021, arXiv:2104.08691).</p>\n")
                .ToString();

        void Add(string name, IReadOnlyList<Continuation> answers, double tokens)
        {
            var right = answers.Count(a => a.IsExact);
            html.Append(
                $"<span>{name}</span><span class=\"squares\" role=\"img\" aria-label=\"{name}: {right} right\">");
            foreach (var answer in answers)
                html.Append(
                    $"<i class=\"{(answer.IsExact ? "y" : "n")}\" "
                        + $"title=\"{HtmlPage.Text($"{Findings.Sentence(answer)} {answer.Given}")}\"></i>");
            html.Append(
                $"</span><span>{right} ({(100 * tokens).ToString("0", CultureInfo.InvariantCulture)} %)</span>");
        }
    }

    private static string Pair(Continuation before, Continuation after)
    {
        var html = new StringBuilder($"<div class=\"pair\"><p>{HtmlPage.Text(Findings.Sentence(before))}</p><dl>");
        html.Append($"<dt>base</dt><dd class=\"ramble\">{HtmlPage.Text(before.Given)}</dd>");
        html.Append($"<dt>adapted {Mark(after.IsExact)}</dt><dd><code>{Coloured(after.Given)}</code></dd>");
        if (!after.IsExact) html.Append($"<dt>right</dt><dd><code>{Coloured(after.Wanted)}</code></dd>");
        return html.Append("</dl></div>\n").ToString();
    }

    private static string Swapping(Findings found)
    {
        var answers = found.SameSentence.ToList();
        var html = new StringBuilder(
            $"<div class=\"pair\"><p>{HtmlPage.Text(Findings.Sentence(answers[0].Answer))}</p><dl>");
        foreach (var (task, answer) in answers) html.Append(
            $"<dt>{task} {Mark(answer.IsExact)}</dt><dd><code>{Coloured(answer.Given)}</code></dd>");
        return html.Append("</dl></div>\n").ToString();
    }

    private static string Mark(bool holds) =>
        holds ? "<span class=\"good\">✓</span>" : "<span class=\"bad\">✗</span>";

    // The keys pale, the values in colour.
    private static string Coloured(string record) =>
        Key().Replace($"<span class=\"value\">{HtmlPage.Text(record)}</span>", "<span class=\"key-name\">$0</span>");

    [GeneratedRegex(@"\b[a-z]+:|[][{},]")]
    private static partial Regex Key();

    private static string Proofs(Findings found)
    {
        var items = found.Proofs.Select(p => $"<li>{Mark(p.Holds)} {HtmlPage.Text(p.Text)}</li>");
        return $"<ul class=\"proofs\">{string.Concat(items)}</ul>\n";
    }
}
