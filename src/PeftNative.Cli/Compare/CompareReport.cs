using System.Globalization;
using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Cli.Report;
using PeftNative.Lab.Comparison;

namespace PeftNative.Cli.Compare;

/// <summary>
/// The page of a comparison: the five claims, each with the numbers and plots that speak for or against it.
/// </summary>
internal static class CompareReport
{
    private const int Shown = 3;

    /// <summary>Styles of its parts, for pages that hold them.</summary>
    public const string Style = RowChart.Style + """
        p.lead,p.claim{max-width:48rem}p.note{color:var(--soft);font-size:.82rem;margin:.1rem .4rem .4rem}
        .plots+.plots{margin-top:.9rem}
        .c0{--c:#0b6e63}.c1{--c:#c2410c}.c2{--c:#2563eb}.c3{--c:#9333ea}.c4{--c:#ca8a04}.c5{--c:#be185d}.c6{--c:#475569}
        .c7{--c:#65a30d}.c8{--c:#0891b2}.c9{--c:#a16207}
        @media(prefers-color-scheme:dark){.c0{--c:#4fd1bd}.c1{--c:#fb923c}.c2{--c:#7dabff}.c3{--c:#c893ff}
        .c4{--c:#fbbf24}.c5{--c:#f57db8}.c6{--c:#a3b1c6}.c7{--c:#a9d94e}
        .c8{--c:#5bcfe6}.c9{--c:#e2c044}}polyline[class^=c]{stroke:var(--c)}circle[class^=c]{display:none}
        .key[class*=" c"]::before{background:var(--c)}
        td.yes{color:var(--a)}td.no{color:var(--b);font-weight:700}td.own{font-weight:700}
        table.wide td{white-space:nowrap}
        """;

    /// <summary>The page.</summary>
    public static string Write(ComparisonSummary summary)
    {
        var facts = summary.Facts;
        var time = DateTime.Now.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture);
        var model = Path.GetFileName(Path.TrimEndingDirectorySeparator(facts.Model));
        var page = new HtmlPage($"Ways to adapt {model}, compared on {facts.Data}",
            $"peftnative {Product.Version} compare, {time}, {facts.Machine}", Style);
        page.Html(
            "<p class=\"lead\">Five things are claimed of parameter-efficient fine-tuning. All methods here had the "
                + "same data, the same number of steps "
            + "and the same batches; every number is of this run and stands in results.json.</p>\n");
        page.Cards(Cards(summary));
        AddClaims(page, summary);
        AddContinuations(page, summary);
        return page.Heading("All numbers").Html(Numbers(summary)).Heading("What was done").Table(Means(summary))
            .ToString();
    }

    /// <summary>Adds the claims with their plots.</summary>
    public static void AddClaims(HtmlPage page, ComparisonSummary summary)
    {
        var plots = new Dictionary<char, string>
        {
            ['1'] = CostPlots(summary), ['2'] = KnowledgePlot(summary), ['3'] = SizePlot(summary),
            ['4'] = QualityPlots(summary), ['5'] = "",
        };
        foreach (var claim in Claims.Of(summary))
        {
            page.Heading(claim.Title).Html($"<p class=\"claim\">{HtmlPage.Text(claim.Text)}</p>\n");
            if (plots[claim.Title[0]] is { Length: > 0 } charts) page.Plots(charts);
            if (claim.Title[0] == '5') page.Html(Swaps(summary.Portability!)).Html(Cross(summary.Portability!));
        }
    }

    /// <summary>The table of all numbers.</summary>
    public static string Numbers(ComparisonSummary summary)
    {
        var sizes = summary.Plan.Sizes;
        string[] columns = ["method", "rate", "trained", "stored", "step", "memory",
            .. sizes.Select(s => $"{Metric(summary)}, {Quantity.Count(s)}"), "knowledge, on", "off"];
        return HtmlPage.Columns(columns, summary.Methods.Select(m => (m.Method.Name, Cells([
            Quantity.Number(m.Method.LearningRate), Quantity.Count(m.Trainable), Quantity.Bytes(m.StoredBytes),
            Claims.Milliseconds(m.StepMilliseconds),
            Quantity.Bytes(m.TrainingBytes),
            .. sizes.Select(s => m.Quality.TryGetValue(s, out var q) ? CompareTable.Text(q) : "-"),
            CompareTable.Text(m.KnowledgeOn), m.Method.IsBaseline ? "-" : m.OffIsIdentical
                ? "same bits" : "DIFFERS"]))));
    }

    /// <summary>What was compared and how.</summary>
    public static IEnumerable<(string, string)> Means(ComparisonSummary summary)
    {
        var (facts, plan) = (summary.Facts, summary.Plan);
        yield return ("model",
            $"{facts.Model}: {facts.Family}, {Quantity.Count(facts.Parameters)} parameters, "
                + $"{Quantity.Bytes(facts.ModelBytes)}");
        yield return ("data",
            $"{facts.Data}; {string.Join(", ", plan.Sizes.Select(s => Quantity.Count(s)))} records, drawn by the seed, "
                + "the same for every method");
        yield return ("runs",
            $"at most {plan.Budget} steps of {plan.BatchSize} examples and {Quantity.Number(plan.MostEpochs)} passes; "
                + $"seeds {string.Join(", ", plan.Seeds)}");
        yield return ("training",
            "AdamW, decay 0.01, gradients clipped to norm 1, warm-up over 6 % of the steps, then linear to 0; measured "
                + "after the last step");
        yield return ("rates",
            "usual published ones for width 768, times 768 / hidden size, where no other was given: they stand in the "
                + "table");
        foreach (var method in plan.Methods)
            if (MethodSettings.Describe(method.Config) is { Length: > 0 } settings)
                yield return (method.Name, settings);
        yield return ("memory",
            "activations of a step, and value, gradient and two moments of every trained parameter; the weights of the "
                + "base, "
            + $"{Quantity.Bytes(facts.WeightBytes)}, come on top for every method");
        yield return ("step",
            "median wall time; where only the upper layers are trained, what the frozen ones below give is kept from "
                + "the first pass over the records");
        yield return ("machine", facts.Machine);
    }

    private static IEnumerable<(string, string)> Cards(ComparisonSummary summary)
    {
        var (metric, size) = (Metric(summary), summary.Plan.LargestSize);
        yield return ("parameters of the model", Quantity.Count(summary.Facts.Parameters));
        yield return ("its files", Quantity.Bytes(summary.Facts.ModelBytes));
        if (summary.Best(size) is { } best)
        {
            yield return ($"{metric}, {best.Method.Name}", CompareTable.Fixed(summary.QualityOf(best)));
            yield return ($"stored for {best.Method.Name}", Quantity.Bytes(best.StoredBytes));
        }
        if (summary.Full is { } full)
            yield return ($"{metric}, full fine-tuning", CompareTable.Fixed(summary.QualityOf(full)));
        yield return ($"{metric}, untouched", CompareTable.Fixed(
            summary.Facts.Before.GetValueOrDefault(summary.Facts.Metric)));
    }

    private static string Metric(ComparisonSummary summary) => summary.Facts.Metric.Replace('_', ' ');

    private static List<ChartRow> Rows(ComparisonSummary summary, Func<MethodSummary, double> value,
        Func<MethodSummary, string> text) =>
        [.. summary.Methods.Select(m => new ChartRow(m.Method.Name, text(m), [new Mark(value(m), "a", text(m))],
            IsOther: m.Method.IsBaseline))];

    private static string CostPlots(ComparisonSummary summary) =>
        RowChart.Bars("Trained parameters (logarithmic)",
            Rows(summary, m => m.Trainable, m => Quantity.Count(m.Trainable)), isLog: true)
        + RowChart.Bars("What must be stored (logarithmic)",
            Rows(summary, m => m.StoredBytes, m => Quantity.Bytes(m.StoredBytes)), isLog: true)
        + RowChart.Bars("Time of a training step",
            Rows(summary, m => m.StepMilliseconds, m => Claims.Milliseconds(m.StepMilliseconds)))
        + RowChart.Bars("Memory of training, beside the weights",
            Rows(summary, m => m.TrainingBytes, m => Quantity.Bytes(m.TrainingBytes)));

    private static string KnowledgePlot(ComparisonSummary summary)
    {
        var facts = summary.Facts;
        var rows = summary.Methods.Select(m => new ChartRow(m.Method.Name, CompareTable.Fixed(m.KnowledgeOn.Mean),
            [new Mark(facts.KnowledgeBefore, "hollow", "before, and with the adapter off"),
                new Mark(m.KnowledgeOn.Mean, "a", "with the adapter on")],
            (Math.Min(facts.KnowledgeBefore, m.KnowledgeOn.Mean), Math.Max(facts.KnowledgeBefore, m.KnowledgeOn.Mean)),
            m.Method.IsBaseline));
        return RowChart.Dots(Capital(facts.Knowledge), [.. rows], facts.KnowledgeBefore,
            $"Hollow: before, and with the adapter off. Filled: with the adapter on. "
                + $"{(facts.KnowledgeLowerIsBetter ? "Less" : "More")} is better.");
    }

    private static string SizePlot(ComparisonSummary summary)
    {
        var sizes = summary.Plan.Sizes;
        var styles = sizes.Count <= 3 ? (string[])["w1", "w2", "w3"]
            : [.. Enumerable.Repeat("w1", sizes.Count - 2), "w2", "w3"];
        var offset = Math.Max(0, 3 - sizes.Count);
        var rows = summary.Methods.Select(m =>
        {
            var marks = sizes.Select((s, i) => (s, i)).Where(p => m.Quality.ContainsKey(p.s))
                .Select(p => new Mark(m.Quality[p.s].Mean, styles[p.i + offset],
                    $"{Quantity.Of(p.s, "record")}: {CompareTable.Text(m.Quality[p.s])}")).ToList();
            return new ChartRow(m.Method.Name,
                string.Join(" → ", marks.Select(v => v.Value.ToString("0.00", CultureInfo.InvariantCulture))), marks,
                (marks.Min(v => v.Value), marks.Max(v => v.Value)), m.Method.IsBaseline);
        });
        var note =
            $"From pale to strong: {string.Join(", ", sizes.Select(s => Quantity.Count(s)))} records. Line: the "
            + "untouched base.";
        return RowChart.Dots($"{Capital(Metric(summary))} by number of records", [.. rows],
            summary.Facts.Before.GetValueOrDefault(summary.Facts.Metric), note);
    }

    private static string QualityPlots(ComparisonSummary summary)
    {
        var size = summary.Plan.LargestSize;
        var rows = summary.Methods.Where(m => m.Quality.ContainsKey(size)).Select(m => (m, q: m.Quality[size]))
            .Select(p => new ChartRow(p.m.Method.Name, CompareTable.Text(p.q), [new Mark(p.q.Mean, "a", "mean")],
                (p.q.Least, p.q.Most), p.m.Method.IsBaseline));
        var curves = summary.Methods.Select((m, i) => new Series(m.Method.Name, $"c{i % 10}",
            Series.Smooth([.. Curve(summary, m)]))).ToList();
        var note = (summary.Plan.Seeds.Count > 1 ? "Bars: from the worst seed to the best." : "One seed: no spread.")
            + (summary.Full is null ? "" : " Dashed: full fine-tuning.");
        return RowChart.Dots($"{Capital(Metric(summary))}, {Quantity.Of(size, "record")}", [.. rows],
            summary.Full is { } full ? summary.QualityOf(full) : null, note)
            + SvgChart.Draw($"Loss in training, {Quantity.Of(size, "record")}, first seed", curves);
    }

    private static IEnumerable<(double, double)> Curve(ComparisonSummary summary, MethodSummary method) =>
        summary.Cells.FirstOrDefault(c => c.Key.Method == method.Method.Name
            && c.Key.Size == summary.Plan.LargestSize)?.Curve
            .Select(p => ((double)p.Step, p.Loss)) ?? [];

    private static string Swaps(PortabilityResult found) =>
        HtmlPage.Columns(["adapter", "reading it", "changing to it", "as trained", "base intact"],
            found.Adapters.Select(a => (a.Name,
            (IReadOnlyList<(string, string?)>)[(Claims.Milliseconds(a.LoadMilliseconds), null),
                (Claims.Milliseconds(a.SwitchMilliseconds), null),
                YesNo(a.IsAsTrained), YesNo(a.BaseIsIntact)])));

    private static (string, string?) YesNo(bool holds) => holds ? ("same bits", "yes") : ("DIFFERS", "no");

    private static string Cross(PortabilityResult found)
    {
        if (found.Cross.Count == 0) return "";
        string[] columns = ["adapter", .. found.Cross.Select(c => c.Task).Distinct().Select(t => $"on {t}")];
        return "<p class=\"claim\">Every task with every task's adapter on the same base:</p>"
            + HtmlPage.Columns(columns,
            found.Cross.GroupBy(c => c.Adapter).Select(row => (row.Key is null ? "none" : $"of {row.Key}",
                (IReadOnlyList<(string, string?)>)[
                    .. row.Select(c => (CompareTable.Fixed(c.Quality), c.Task == c.Adapter ? "own" : null))])));
    }

    private static IReadOnlyList<(string, string?)> Cells(IEnumerable<string> texts) =>
        [.. texts.Select(t => (HtmlPage.Text(t), (string?)null))];

    private static void AddContinuations(HtmlPage page, ComparisonSummary summary)
    {
        if (summary.Facts.Continuations.Count == 0 || summary.Best(summary.Plan.LargestSize) is not { } best) return;
        var cell = summary.Cells.First(c => c.Key.Method == best.Method.Name && c.Key.Size == summary.Plan.LargestSize);
        page.Heading("Texts before and after");
        foreach (var (before, after) in summary.Facts.Continuations.Zip(cell.Continuations).Take(Shown))
            page.Table([("prompt", before.Prompt), ("wanted", before.Wanted), ("base", before.Given),
                (best.Method.Name, after.Given)]);
    }

    private static string Capital(string text) => char.ToUpperInvariant(text[0]) + text[1..];
}
