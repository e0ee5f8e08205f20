using System.Net;
using System.Text;

namespace PeftNative.Cli.Report;

/// <summary>
/// Builds a page that needs nothing but itself: no scripts, no network, light and dark, readable on a phone.
/// </summary>
internal sealed class HtmlPage
{
    private const string Style = """
        :root{--bg:#fbfaf7;--ink:#1d2433;--soft:#667085;--line:#e3e0d8;--card:#fff;--a:#0b6e63;--b:#c2410c}
        @media(prefers-color-scheme:dark){:root{--bg:#12151c;--ink:#e8eaf0;--soft:#98a1b3;--line:#2b3140;--card:#1a1f2a;
        --a:#4fd1bd;--b:#fb923c}}
        *{box-sizing:border-box}body{margin:0 auto;max-width:64rem;padding:1.5rem 1rem 4rem;background:var(--bg);
        color:var(--ink);
        font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
        h1{font-size:1.6rem;line-height:1.2;margin:0 0 .25rem}h2{font-size:1.05rem;margin:2.2rem 0 .6rem}
        p.sub{color:var(--soft);margin:0 0 1.2rem}
        .cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.7rem}
        .card{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.7rem .9rem}
        .card b{display:block;font-size:1.35rem;font-variant-numeric:tabular-nums}
        .card span{color:var(--soft);font-size:.85rem}
        .plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:.9rem}
        figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:.6rem;
        padding:.7rem .6rem .3rem}
        figcaption{font-weight:600;font-size:.92rem;padding:0 .4rem .3rem}svg{display:block;width:100%;height:auto}
        svg text{fill:var(--soft);font-size:12px;font-family:inherit}.grid{stroke:var(--line)}
        polyline{fill:none;stroke-width:2;stroke-linejoin:round}polyline.a{stroke:var(--a)}polyline.b{stroke:var(--b)}
        polyline.faint{stroke:var(--a);opacity:.28;stroke-width:1}circle.a{fill:var(--a)}circle.b{fill:var(--b)}
        circle.faint{display:none}
        .key{display:inline-block;white-space:nowrap;font-weight:400;color:var(--soft);margin-right:.8rem;
        font-size:.85rem}.keys{display:block;padding-top:.15rem}
        .key::before{content:"";display:inline-block;width:.9rem;height:3px;
        margin-right:.35rem;vertical-align:middle;background:var(--a)}.key.b::before{background:var(--b)}
        .key.faint::before{opacity:.3}
        .scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.9rem;
        font-variant-numeric:tabular-nums}
        td,th{padding:.32rem .8rem .32rem 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:top;
        overflow-wrap:anywhere}
        th{font-weight:600;color:var(--soft);white-space:nowrap}table.wide{font-size:.84rem}
        table.wide td,table.wide th{padding-right:.55rem;overflow-wrap:normal}
        table.wide tr.head th{white-space:normal;vertical-align:bottom}
        @media(max-width:40rem){svg[viewBox] text{font-size:18px}
        table.wide,table.wide tbody,table.wide tr,table.wide th,table.wide td{display:block;border:0;padding:0}
        table.wide tr.head{display:none}
        table.wide tr{border-bottom:1px solid var(--line);padding:.5rem 0}
        table.wide td{display:flex;justify-content:space-between;gap:1rem}
        table.wide td::before{content:attr(data-name);color:var(--soft)}}
        pre{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.8rem;
        font-size:.85rem}
        """;

    private readonly StringBuilder page = new();

    /// <summary>Begins a page with a heading, a line below it, and styles of its own.</summary>
    public HtmlPage(string title, string subtitle, string style = "")
    {
        page.Append("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
        page.Append(
            "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><meta name=\"color-scheme\" "
                + "content=\"light dark\">");
        page.Append($"<title>{Text(title)}</title><style>{Style}{style}</style></head><body>\n");
        page.Append($"<h1>{Text(title)}</h1><p class=\"sub\">{Text(subtitle)}</p>\n");
    }

    /// <summary>The few numbers that matter.</summary>
    public HtmlPage Cards(IEnumerable<(string Name, string Value)> cards)
    {
        page.Append("<div class=\"cards\">");
        foreach (var (name, value) in cards) page.Append(
            $"<div class=\"card\"><b>{Text(value)}</b><span>{Text(name)}</span></div>");
        page.Append("</div>\n");
        return this;
    }

    /// <summary>A heading.</summary>
    public HtmlPage Heading(string text) => Html($"<h2>{Text(text)}</h2>\n");

    /// <summary>Charts side by side where there is room.</summary>
    public HtmlPage Plots(string charts) => Html($"<div class=\"plots\">{charts}</div>\n");

    /// <summary>Names and what is to be said of them.</summary>
    public HtmlPage Table(IEnumerable<(string Name, string Text)> rows)
    {
        page.Append("<div class=\"scroll\"><table>");
        foreach (var (name, text) in rows) page.Append($"<tr><th>{Text(name)}</th><td>{Text(text)}</td></tr>");
        page.Append("</table></div>\n");
        return this;
    }

    /// <summary>
    /// A table with a heading over every column, the first of which names the rows. On a narrow page each row becomes a
    /// list.
    /// </summary>
    /// <param name="columns">The headings.</param>
    /// <param name="rows">The rows: a name, then a cell for each other column, as HTML with a class or without.</param>
    public static string Columns(IReadOnlyList<string> columns,
        IEnumerable<(string Name, IReadOnlyList<(string Html, string? Class)> Cells)> rows)
    {
        var html = new StringBuilder(
            $"<div class=\"scroll\"><table class=\"wide\"><tr "
                + $"class=\"head\">{string.Concat(columns.Select(c => $"<th>{Text(c)}</th>"))}</tr>");
        foreach (var (name, cells) in rows)
        {
            html.Append($"<tr><th>{Text(name)}</th>");
            foreach (var (cell, column) in cells.Zip(columns.Skip(1)))
                html.Append(
                    $"<td data-name=\"{Text(column)}\"{(cell.Class is null ? "" : $" class=\"{cell.Class}\"")}>"
                        + $"<span>{cell.Html}</span></td>");
            html.Append("</tr>");
        }
        return html.Append("</table></div>\n").ToString();
    }

    /// <summary>Text as it stands.</summary>
    public HtmlPage Pre(string text) => Html($"<pre>{Text(text)}</pre>\n");

    /// <summary>Anything else; texts in it are to be passed through <see cref="Text"/>.</summary>
    public HtmlPage Html(string html)
    {
        page.Append(html);
        return this;
    }

    /// <summary>The page.</summary>
    public override string ToString() => page + "</body></html>\n";

    /// <summary>Text, safe inside a page.</summary>
    public static string Text(string text) => WebUtility.HtmlEncode(text);
}
