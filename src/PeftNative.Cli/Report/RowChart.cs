using System.Globalization;
using System.Text;

namespace PeftNative.Cli.Report;

/// <summary>A value in a row.</summary>
/// <param name="Value">Where it stands.</param>
/// <param name="Style">Its class: a, b, c (ever stronger), or hollow.</param>
/// <param name="Title">What it is, for those who point at it.</param>
internal sealed record Mark(double Value, string Style, string Title);

/// <summary>A row of a chart.</summary>
/// <param name="Name">What it is about.</param>
/// <param name="Text">The value in words, at the end of the row.</param>
/// <param name="Marks">The values.</param>
/// <param name="Range">Least and most, or null.</param>
/// <param name="IsOther">Whether the row is of another kind than the rest, such as a baseline.</param>
internal sealed record ChartRow(string Name, string Text, IReadOnlyList<Mark> Marks,
    (double Least, double Most)? Range = null, bool IsOther = false);

/// <summary>
/// Draws values of named things, a row each, as inline SVG. Places are in percent, so texts and marks keep their size
/// on any page, a phone's too.
/// </summary>
internal static class RowChart
{
    private const double Margin = 3;
    private const int LongText = 14;

    /// <summary>Styles a page with such charts needs.</summary>
    public const string Style = """
        .rows{padding:.2rem .4rem .4rem}
        .rows div{display:grid;grid-template-columns:6.2rem 1fr 6.8rem;gap:.7rem;align-items:center;font-size:.88rem}
        .rows svg{height:1.45rem;overflow:visible}.rows .o span:first-child{color:var(--soft);font-style:italic}
        .rows span:last-child{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
        .rows svg circle{fill:var(--a)}
        .rows .o svg circle{fill:var(--b)}.rows svg circle.hollow{fill:var(--card);stroke:var(--a);stroke-width:2}
        .rows svg circle.w1{opacity:.35}.rows svg circle.w2{opacity:.65}.rows line{stroke:var(--line)}
        .rows line.range{stroke:var(--a);stroke-width:3;opacity:.4;stroke-linecap:round}
        .rows line.bar{stroke:var(--a);stroke-width:9;opacity:.85}.rows .o line.bar,.rows .o line.range{stroke:var(--b)}
        .rows line.mark{stroke:var(--b);stroke-dasharray:3 3}.rows .axis svg{height:1.2rem}
        .rows.long div{grid-template-columns:6.2rem 1fr 10.5rem}
        @media(max-width:32rem){.rows div{grid-template-columns:5.2rem 1fr 5.4rem;gap:.5rem;font-size:.82rem}
        .rows.long div{grid-template-columns:1fr auto;gap:0 .5rem}.rows.long svg{grid-row:2;grid-column:1/3}}
        """;

    /// <summary>Bars from zero (or, on a logarithmic axis, from the left).</summary>
    public static string Bars(string title, IReadOnlyList<ChartRow> rows, bool isLog = false) =>
        Draw(title, rows, new Axis(rows, isLog, fromZero: true), isBar: true, null, "");

    /// <summary>Dots, with the range they are from.</summary>
    /// <param name="title">Heading.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="mark">A value marked across all rows, or null.</param>
    /// <param name="note">What stands below, such as what the marks mean.</param>
    public static string Dots(string title, IReadOnlyList<ChartRow> rows, double? mark = null, string note = "") =>
        Draw(title, rows, new Axis(rows, isLog: false, fromZero: false, mark), isBar: false, mark, note);

    private static string Draw(string title, IReadOnlyList<ChartRow> rows, Axis axis, bool isBar, double? mark,
        string note)
    {
        if (rows.Count == 0) return "";
        var html = new StringBuilder(
            $"<figure><figcaption>{HtmlPage.Text(title)}</figcaption><div "
                + $"class=\"rows{(rows.Any(r => r.Text.Length > LongText) ? " long" : "")}\" role=\"img\" "
                + $"aria-label=\"{HtmlPage.Text(title)}\">");
        foreach (var row in rows)
        {
            html.Append($"<div{(row.IsOther ? " class=\"o\"" : "")}><span>{HtmlPage.Text(row.Name)}</span><svg>");
            Line(html, "", Margin, 100 - Margin);
            foreach (var tick in isBar ? [] : axis.Ticks)
                Append(html,
                    $"<line x1=\"{axis.Place(tick):0.##}%\" x2=\"{axis.Place(tick):0.##}%\" y1=\"0\" y2=\"100%\"/>");
            if (mark is { } m)
                Append(html,
                    $"<line class=\"mark\" x1=\"{axis.Place(m):0.##}%\" x2=\"{axis.Place(m):0.##}%\" y1=\"0\" ",
                    $"y2=\"100%\"/>");
            if (row.Range is { } range && range.Least < range.Most)
                Line(html, "range", axis.Place(range.Least), axis.Place(range.Most));
            foreach (var value in row.Marks.Where(v => double.IsFinite(v.Value)))
            {
                if (isBar) Line(html, "bar", Margin, axis.Place(value.Value));
                else Append(html,
                    $"<circle class=\"{value.Style}\" cx=\"{axis.Place(value.Value):0.##}%\" cy=\"50%\" ",
                    $"r=\"5\"><title>{HtmlPage.Text(value.Title)}</title></circle>");
            }
            html.Append($"</svg><span>{HtmlPage.Text(row.Text)}</span></div>");
        }
        if (!isBar)
        {
            html.Append("<div class=\"axis\"><span></span><svg>");
            foreach (var tick in axis.Ticks)
                Append(html,
                    $"<text x=\"{axis.Place(tick):0.##}%\" y=\"80%\" ",
                    $"text-anchor=\"middle\">{SvgChart.Label(tick)}</text>");
            html.Append("</svg><span></span></div>");
        }
        html.Append("</div>");
        if (note.Length > 0) html.Append($"<p class=\"note\">{HtmlPage.Text(note)}</p>");
        return html.Append("</figure>\n").ToString();
    }

    private static void Line(StringBuilder html, string style, double from, double to) =>
        Append(html, $"<line class=\"{style}\" x1=\"{from:0.##}%\" x2=\"{to:0.##}%\" y1=\"50%\" y2=\"50%\"/>");

    private static void Append(StringBuilder html, FormattableString text, FormattableString? more = null) =>
        html.Append(text.ToString(CultureInfo.InvariantCulture)).Append(more?.ToString(CultureInfo.InvariantCulture));

    /// <summary>Where values stand, in percent of the width.</summary>
    private sealed class Axis
    {
        private readonly double least, most;
        private readonly bool isLog;

        public Axis(IReadOnlyList<ChartRow> rows, bool isLog, bool fromZero, double? also = null)
        {
            this.isLog = isLog;
            var values = rows.SelectMany(r => r.Marks.Select(m => m.Value))
                .Concat(rows.Where(r => r.Range is not null)
                    .SelectMany(r => (double[])[r.Range!.Value.Least, r.Range.Value.Most]))
                .Append(also ?? double.NaN).Where(v => double.IsFinite(v) && (!isLog || v > 0))
                .DefaultIfEmpty(0).ToList();
            most = values.Max();
            // A logarithmic bar has no zero to begin at; a tenth of the smallest value leaves all of them visible.
            least = isLog ? values.Min() / 10 : fromZero ? Math.Min(0, values.Min()) : values.Min();
            if (most <= least)
                (least, most) = isLog ? (most / 10, most)
                    : (least >= 0 ? Math.Max(0, least - 0.05) : least - 0.05, most + 0.05);
            if (isLog || fromZero) return;
            Ticks = SvgChart.Ticks(least, most, 3);
            (least, most) = (Ticks[0], Ticks[^1]);
        }

        /// <summary>Round values, the ends among them; none where bars carry their numbers.</summary>
        public double[] Ticks { get; } = [];

        public double Place(double value)
        {
            var share = isLog ? Math.Log(Math.Max(value, least) / least) / Math.Log(most / least)
                : (value - least) / (most - least);
            return Margin + Math.Clamp(share, 0, 1) * (100 - 2 * Margin);
        }
    }
}
