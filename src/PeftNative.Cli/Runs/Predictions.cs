using System.Text.Json.Nodes;
using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Data.Batching;
using PeftNative.Data.Encoding;
using PeftNative.Data.Reading;
using PeftNative.Data.Records;
using PeftNative.Inference;
using PeftNative.Models.Layers;

namespace PeftNative.Cli.Runs;

/// <summary>Computes one JSON object per record: label and scores, tags, or a continuation.</summary>
internal sealed class Predictions(ModelSession session, DataPlan data, SettingValues values, Terminal terminal)
{
    /// <summary>Labels that the user gives.</summary>
    public static readonly Setting Labels = new("labels", SettingKind.Names,
        "Names of the labels by number, for adapters that come without.") { Group = "Data" };

    /// <summary>The objects, in the order of the records.</summary>
    public IEnumerable<JsonObject> Lines()
    {
        var index = 0;
        var areNamed = data.Records.Any(r => r.Adapter is not null);
        if (areNamed && session.Choices.Count == 0)
            terminal.Warn("the records' field 'adapter' is not looked at: no --adapter NAME=DIR is given");
        if (!areNamed && session.Choices.Count > 0)
            terminal.Warn("no record has a field 'adapter', so none of the adapters is used");
        using var progress = new ProgressLine(terminal);
        foreach (var (origin, line) in session.Model.Task switch
        {
            ModelTask.SequenceClassification => Texts(),
            ModelTask.TokenClassification => Words(),
            _ => Continuations(),
        })
        {
            terminal.Cancellation.ThrowIfCancellationRequested();
            line.Insert(0, "index", index++);
            line.Insert(1, "line", origin.Line);
            progress.Show($"{Quantity.Count(index)} of {Quantity.Count(data.Records.Count)} records");
            yield return line;
        }
    }

    private IEnumerable<(RecordOrigin, JsonObject)> Texts()
    {
        using var classifier = new Classifier(session.Model);
        var encoder = Encoder(ModelTask.SequenceClassification, "text");
        foreach (var line in InBatches(Describe)) yield return line;

        IEnumerable<JsonObject> Describe(DataRecord[] records, IReadOnlyList<AttachmentSet> adapters)
        {
            classifier.Adapters = adapters;
            return records.Zip(classifier.Score(Batch.Of([.. records.SelectMany(encoder.Encode)])),
                (r, scores) => Scored(scores, LabelsFor(r), ChoiceOf(r)?.Thresholds ?? session.Thresholds));
        }
    }

    private IEnumerable<(RecordOrigin, JsonObject)> Words()
    {
        using var classifier = new Classifier(session.Model);
        foreach (var line in InBatches((records, adapters) => [Tag(records[0], adapters)], batchSize: 1))
            yield return line;

        JsonObject Tag(DataRecord read, IReadOnlyList<AttachmentSet> adapters)
        {
            if (read is not TaggedRecord record) throw Unfit(read, "tokens");
            classifier.Adapters = adapters;
            var (labels, own) = (LabelsFor(record), session.Model.Config.Labels.ToList());
            var tags = classifier.Tag(record.Tokens, session.Tokenizer,
                DataPlan.MaxLength(values, session.Model.Config));
            return new JsonObject { ["tags"] =
                new JsonArray([.. tags.Select(t => t is null ? null : (JsonNode)labels[own.IndexOf(t)])]) };
        }
    }

    private IEnumerable<(RecordOrigin, JsonObject)> Continuations()
    {
        using var generator = new TextGenerator(session.Model, session.Tokenizer);
        var encoder = session.Model.Task == ModelTask.SequenceToSequence
            ? Encoder(ModelTask.SequenceToSequence, "source, prompt or instruction")
            : Encoder(ModelTask.CausalLM, "prompt, instruction or messages");
        var options = SamplingSettings.ToOptions(values);
        if (data.Template(session.TokenizerFolder) is { } template)
            options = TurnEnd.Of(template, session.Tokenizer).AddTo(options);
        foreach (var line in InBatches(Continue)) yield return line;

        IEnumerable<JsonObject> Continue(DataRecord[] records, IReadOnlyList<AttachmentSet> adapters)
        {
            generator.Adapters = adapters;
            int[][] prompts = [.. records.Select(r => encoder.Encode(r).First().Ids)];
            return generator.GenerateBatch(prompts, options, terminal.Cancellation)
                .Select(text => new JsonObject { ["prediction"] = text });
        }
    }

    // Computes batch by batch with the adapters that the records ask for; the lines come in the order of the records.
    private IEnumerable<(RecordOrigin, JsonObject)> InBatches(
        Func<DataRecord[], IReadOnlyList<AttachmentSet>, IEnumerable<JsonObject>> compute, int? batchSize = null)
    {
        foreach (var records in data.Records.Chunk(batchSize ?? values.Int(DataSettings.BatchSize)))
        {
            var lines = new JsonObject[records.Length];
            foreach (var (chosen, adapters) in Batches(records))
                Fill(lines, chosen, [.. chosen.Select(i => records[i])], adapters);
            for (var i = 0; i < lines.Length; i++)
            {
                if (session.Choices.Count > 0) lines[i].Insert(0, "adapter", ChoiceOf(records[i])?.Name);
                yield return (records[i].Origin, lines[i]);
            }
        }

        void Fill(JsonObject[] lines, int[] places, DataRecord[] batch, IReadOnlyList<AttachmentSet> adapters)
        {
            try
            {
                foreach (var (i, line) in places.Zip(compute(batch, adapters))) lines[i] = line;
            }
            catch (NumericException e)
            {
                var others = batch.Length == 1 ? "" : $" to {batch[^1].Origin}";
                throw new NumericException(e.What, $"{batch[0].Origin}{others}", e.Remedy, e);
            }
        }
    }

    private IEnumerable<(int[] Records, IReadOnlyList<AttachmentSet> Adapters)> Batches(DataRecord[] records) =>
        session.Choices.Count == 0
        ? [([.. Enumerable.Range(0, records.Length)], session.Active)]
        : AdapterChoice.Batches(session.Model, [.. records.Select(ChoiceOf)]);

    private AdapterChoice? ChoiceOf(DataRecord record) =>
        session.Choices.Count == 0 || record.Adapter is null or AdapterChoice.Base ? null
        : session.Choices.FirstOrDefault(c => c.Name == record.Adapter) ?? throw new DataException(
            $"The record asks for the adapter '{record.Adapter}', which is not there.", record.Origin.ToString(),
            $"There are: {string.Join(", ", session.Choices.Select(c => c.Name))}; null is none.");

    private IReadOnlyList<string> LabelsFor(DataRecord record) =>
        values.Has(Labels) ? session.Model.Config.Labels : ChoiceOf(record)?.Labels
        ?? session.Model.Config.Labels;

    private ExampleEncoder Encoder(ModelTask task, string fields)
    {
        if (data.Task != task) throw Unfit(data.Records[0], fields);
        return new ExampleEncoder(session.Tokenizer, new EncodingOptions
        {
            Task = task, MaxLength = DataPlan.MaxLength(values, session.Model.Config), ForPrediction = true,
            ChatTemplate = data.Template(session.TokenizerFolder), TemplateArguments = DataPlan.Arguments(values),
        });
    }

    private DataException Unfit(DataRecord record, string fields) => new(
        $"The record is not for {session.Model.Task}, which this model does.", record.Origin.ToString(),
        $"It needs {fields}.");

    private JsonObject Scored(float[] scores, IReadOnlyList<string> labels, IReadOnlyList<double>? thresholds)
    {
        switch (session.Model.Config.ProblemType)
        {
            case ProblemType.Regression:
                return new JsonObject { ["value"] = JsonLines.Number(scores[0]) };
            case ProblemType.MultiLabel:
                var each = scores.Select(s => Classifier.Sigmoid(s)).ToArray();
                return new JsonObject { ["labels"] = JsonLines.List(labels.Where((_, i) =>
                    thresholds is null ? each[i] > 0.5 : each[i] >= thresholds[i])),
                    ["scores"] = Named(each) };
            default:
                var shares = Classifier.Softmax(scores);
                var best = Classifier.Best(scores);
                return new JsonObject { ["label"] = labels[best], ["score"] = JsonLines.Number(shares[best]),
                    ["scores"] = Named(shares) };
        }

        JsonObject Named(double[] values) =>
            new(labels.Select((label, i) => KeyValuePair.Create(label, JsonLines.Number(Math.Round(values[i], 6)))));
    }
}
