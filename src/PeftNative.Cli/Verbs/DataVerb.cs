using System.Text.Json.Nodes;
using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Cli.Runs;
using PeftNative.Data.Inspection;
using PeftNative.Data.Records;
using PeftNative.Models.Families;
using PeftNative.Tokenizers;

namespace PeftNative.Cli.Verbs;

/// <summary>Shows data as the model will see it.</summary>
internal sealed class DataVerb : Verb
{
    private const int BarWidth = 40;

    private static readonly Setting Show = new("show", SettingKind.Whole, "Examples to show.") { Default = "3",
        Least = 0, Most = 1000, Group = "What" };

    private static readonly Setting Model = Shared.Model with { IsRequired = false,
        Help = "Model whose tokenizer cuts the texts; without it records are only read." };

    public override string Name => "data";

    public override string Summary =>
        "shows records as the model will see them: shape, tokens trained and masked, lengths, bad lines";

    public override string Example => "peftnative data --model my-model --data my-data.jsonl --show 2";

    public override string Notes =>
        "On a screen trained tokens are green and masked ones grey; elsewhere trained tokens stand in ⟦ ⟧.";

    public override IReadOnlyList<Setting> Settings =>
        [Model, DataSettings.Data, Show, .. DataSettings.Reading];

    public override int Run(SettingValues values, Terminal terminal)
    {
        foreach (var file in DataSources.Every(values))
        {
            var data = DataPlan.Read(file, values, terminal);
            terminal.Line(
                $"{file}: {Quantity.Of(data.Records.Count, "record")} of the shape {data.Shape}, for {data.Task}");
            foreach (var bad in data.BadLines.Take(10)) terminal.Line($"  bad: {bad.Where}: {bad.What}");
            if (data.BadLines.Count > 10) terminal.Line($"  ... and {data.BadLines.Count - 10} more bad lines");
            if (values.OptionalText(Model) is { } model) ShowEncoded(data, model, values, terminal);
            else
            {
                terminal.Object(Describe(file, data));
                foreach (var record in data.Records.Take(values.Int(Show)))
                    terminal.Line($"  {record.Origin}: {Excerpt(record)}");
            }
        }
        return 0;
    }

    private static JsonObject Describe(string file, DataPlan data) => new()
    {
        ["file"] = file, ["records"] = data.Records.Count, ["shape"] = data.Shape.ToString(),
        ["task"] = data.Task.ToString(),
        ["columns"] = new JsonObject(data.Columns.Select(c => KeyValuePair.Create(c.Key, (JsonNode?)c.Value))),
        ["bad_lines"] = new JsonArray(
            [.. data.BadLines.Select(b => (JsonNode)new JsonObject { ["where"] = b.Where, ["what"] = b.What })]),
    };

    private static string Excerpt(DataRecord record)
    {
        var text = record switch
        {
            TextRecord t => t.Text + (t.Pair is null ? "" : $" ‖ {t.Pair}")
                + (t.Label is null ? "" : $"  → {t.Label.Text}"),
            PromptRecord p => $"{p.Prompt} → {p.Completion}",
            ConversationRecord c => string.Join(" | ", c.Messages.Select(m => $"{m!["role"]}: {m["content"]}")),
            TaggedRecord g => string.Join(' ', g.Tokens.Select((t, i) => g.Tags is null ? t : $"{t}/{g.Tags[i].Text}")),
            _ => record.ToString(),
        };
        text = text.ReplaceLineEndings("⏎");
        return text.Length > 160 ? text[..159] + "…" : text;
    }

    private static void ShowEncoded(DataPlan data, string model, SettingValues values, Terminal terminal)
    {
        var config = FamilyTable.Read(model);
        data.CheckTask(config);
        var tokenizer = HfTokenizer.Load(model);
        var labels = data.FindLabels(config.Labels);
        var encoded = data.Encode(tokenizer, model, DataPlan.MaxLength(values, config), labels);
        var report = DataReport.Of(encoded, labels, data.BadLines, data.Unused);
        terminal.Object(Describe(data.Path, data, report));
        terminal.Line(
            $"  {Quantity.Of(report.Examples, "example")}, {Quantity.Count(report.Tokens)} tokens; lengths: least "
                + $"{report.Lengths.Least}, "
            + $"median {report.Lengths.Median}, 95 % within {report.Lengths.Percentile95}, most {report.Lengths.Most}; "
            + $"{report.Truncated} cut off");
        if (report.MaskedShare is { } masked) terminal.Line($"  {Quantity.Percent(masked)} of the tokens are masked");
        foreach (var (name, count) in report.LabelCounts) terminal.Line($"  label {name}: {Quantity.Count(count)}");
        var most = report.Histogram.Max(b => b.Count);
        foreach (var bar in report.Histogram)
            terminal.Line(
                $"  {bar.From,5} to {bar.To,-5} "
                    + $"{new string('█', (int)Math.Ceiling((double)bar.Count * BarWidth / most))} "
                    + $"{Quantity.Count(bar.Count)}");
        foreach (var warning in report.Warnings()) terminal.Warn(warning);
        foreach (var example in encoded.Examples.Take(values.Int(Show)))
        {
            terminal.Line($"\n  {example.Origin}" + (example.Class is { } c ? $"  label {labels!.Names[c]}" : ""));
            var pieces = TokenView.Of(example, tokenizer, data.Task == ModelTask.TokenClassification ? labels : null);
            // Tokens of WordPiece have no spaces of their own.
            var between = pieces.Any(p => p.Text.StartsWith(' ')) ? "" : " ";
            terminal.Line("  " + string.Join(between, pieces.Select(p => Piece(p, example.Labels is null, terminal))));
            if (example.DecoderIds is { } targets)
                terminal.Line($"  → {tokenizer.Decode(targets, skipSpecialTokens: false).ReplaceLineEndings("⏎")}");
        }
    }

    private static JsonObject Describe(string file, DataPlan data, DataReport report)
    {
        var json = Describe(file, data);
        (json["examples"], json["tokens"], json["trained_tokens"]) =
            (report.Examples, report.Tokens, report.TrainedTokens);
        (json["truncated"], json["median_length"], json["longest"]) =
            (report.Truncated, report.Lengths.Median, report.Lengths.Most);
        json["labels"] = new JsonObject(
            report.LabelCounts.Select(l => KeyValuePair.Create(l.Name, (JsonNode?)l.Count)));
        json["histogram"] = new JsonArray(
            [.. report.Histogram.Select(b => (JsonNode)new JsonArray(b.From, b.To, b.Count))]);
        json["left_out"] = new JsonArray(
        [
            .. data.BadLines.Select(b => LeftOut(b.Where, b.What)),
            .. report.Skipped.Select(s => LeftOut(s.Origin.ToString(), s.Reason)),
        ]);
        json["warnings"] = JsonLines.List(report.Warnings());
        return json;
    }

    private static JsonObject LeftOut(string? where, string why) =>
        new() { ["where"] = where, ["why"] = why };

    private static string Piece(TokenPiece piece, bool isPlain, Terminal terminal)
    {
        var text = piece.Text.ReplaceLineEndings("⏎") + (piece.Label is null ? "" : $"/{piece.Label}");
        if (isPlain) return text;
        if (terminal.HasColour) return terminal.Paint(text, piece.Trained ? 32 : 90);
        return piece.Trained ? $"⟦{text}⟧" : text;
    }
}
