using System.Globalization;
using System.Net;
using System.Text;

namespace PeftNative.Cli.Report;

/// <summary>A line of a chart.</summary>
/// <param name="Name">Its name in the legend.</param>
/// <param name="Style">Its class: a, b (strong), faint.</param>
/// <param name="Points">Its points, in the order of x; those that are not finite are left out.</param>
internal sealed record Series(string Name, string Style, IReadOnlyList<(double X, double Y)> Points)
{
    /// <summary>An exponential mean over about a twentieth of the points.</summary>
    public static List<(double, double)> Smooth(IReadOnlyList<(double X, double Y)> points)
    {
        var keep = 1 - 1 / Math.Max(1, points.Count / 20.0);
        var (result, mean) = (new List<(double, double)>(points.Count), points.Count > 0 ? points[0].Y : 0);
        foreach (var (x, y) in points) result.Add((x, mean = keep * mean + (1 - keep) * y));
        return result;
    }
}

/// <summary>
/// Draws lines over steps as inline SVG, without scripts; colours come from the page, so that it follows light and
/// dark.
/// </summary>
internal static class SvgChart
{
    private const int Width = 640, Height = 260, Left = 58, Right = 12, Top = 12, Bottom = 34;

    /// <summary>The chart; empty where there are fewer than two points.</summary>
    public static string Draw(string title, IReadOnlyList<Series> lines, bool fromZero = false)
    {
        var series = lines.Select(s => s with { Points = [.. s.Points.Where(p => double.IsFinite(p.Y))] })
            .Where(s => s.Points.Count > 0).ToList();
        var all = series.SelectMany(s => s.Points).ToList();
        if (all.Count < 2) return "";
        var (x0, x1) = (all.Min(p => p.X), Math.Max(all.Min(p => p.X) + 1, all.Max(p => p.X)));
        var ticks = Ticks(fromZero ? 0 : all.Min(p => p.Y), all.Max(p => p.Y), 5);
        var (y0, y1) = (ticks[0], ticks[^1]);
        double X(double x) => Left + (x - x0) / (x1 - x0) * (Width - Left - Right);
        double Y(double y) => Height - Bottom - (y - y0) / (y1 - y0) * (Height - Top - Bottom);

        var svg = new StringBuilder();
        svg.Append(CultureInfo.InvariantCulture,
            $"<figure><figcaption>{WebUtility.HtmlEncode(title)}{Legend(series)}</figcaption>");
        svg.Append(CultureInfo.InvariantCulture,
            $"<svg viewBox=\"0 0 {Width} {Height}\" role=\"img\" aria-label=\"{WebUtility.HtmlEncode(title)}\">");
        foreach (var tick in ticks)
            svg.Append(CultureInfo.InvariantCulture,
                $"<line class=\"grid\" x1=\"{Left}\" x2=\"{Width - Right}\" ")
                .Append(CultureInfo.InvariantCulture, $"y1=\"{Y(tick):0.#}\" y2=\"{Y(tick):0.#}\"/>")
                .Append(CultureInfo.InvariantCulture,
                    $"<text x=\"{Left - 6}\" y=\"{Y(tick) + 4:0.#}\" text-anchor=\"end\">{Label(tick)}</text>");
        foreach (var tick in Ticks(x0, x1, 6).Where(t => t >= x0 && t <= x1))
        {
            // the last one would reach beyond the picture, where text is large
            var anchor = tick < x1 ? "middle" : "end";
            svg.Append(CultureInfo.InvariantCulture,
                $"<text x=\"{X(tick):0.#}\" y=\"{Height - 12}\" text-anchor=\"{anchor}\">{Label(tick)}</text>");
        }
        foreach (var line in series) AppendLine(svg, line, X, Y);
        return svg.Append("</svg></figure>").ToString();
    }

    private static void AppendLine(StringBuilder svg, Series line, Func<double, double> x, Func<double, double> y)
    {
        var points = Thin(line.Points);
        svg.Append(CultureInfo.InvariantCulture, $"<polyline class=\"{line.Style}\" points=\"");
        // A single step is a dash, as a line needs two ends to be seen.
        if (points.Count == 1)
            svg.Append(CultureInfo.InvariantCulture, $"{x(points[0].X) - 5:0.#},{y(points[0].Y):0.#} ");
        foreach (var p in points) svg.Append(CultureInfo.InvariantCulture, $"{x(p.X):0.#},{y(p.Y):0.#} ");
        svg.Append("\"/>");
        if (points.Count > 40) return;
        foreach (var p in points)
            svg.Append(CultureInfo.InvariantCulture,
                $"<circle class=\"{line.Style}\" cx=\"{x(p.X):0.#}\" cy=\"{y(p.Y):0.#}\" r=\"2.5\"><title>step "
                    + $"{p.X:0}: {Label(p.Y)}</title></circle>");
    }

    // More points than pixels only make the page heavy.
    private static List<(double X, double Y)> Thin(IReadOnlyList<(double X, double Y)> points)
    {
        const int most = 600;
        if (points.Count <= most) return [.. points];
        return [.. Enumerable.Range(0, most).Select(i => points[(int)((long)i * (points.Count - 1) / (most - 1))])];
    }

    private static string Legend(List<Series> series) => series.Count < 2 ? ""
        : $"<span class=\"keys\">{string.Join(' ', series.Select(Key))}</span>";

    private static string Key(Series series) =>
        $"<span class=\"key {series.Style}\">{WebUtility.HtmlEncode(series.Name)}</span>";

    /// <summary>Round numbers that enclose the values.</summary>
    internal static double[] Ticks(double least, double most, int about)
    {
        if (most <= least) most = least + Math.Max(1e-9, Math.Abs(least) * 0.1);
        var rough = (most - least) / about;
        var power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
        var step = power * (rough / power) switch { <= 1 => 1, <= 2 => 2, <= 5 => 5, _ => 10 };
        var first = Math.Floor(least / step);
        return [.. Enumerable.Range(0, (int)(Math.Ceiling(most / step - 1e-9) - first) + 1)
            .Select(i => (first + i) * step)];
    }

    /// <summary>A tick as it is written.</summary>
    internal static string Label(double value) => value == 0 ? "0"
        : Math.Abs(value) is >= 1e5 or < 1e-3 ? value.ToString("0.##e0", CultureInfo.InvariantCulture)
        : value.ToString("0.####", CultureInfo.InvariantCulture);
}
