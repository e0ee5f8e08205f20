using System.Text.Json.Nodes;
using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Cli.Verbs;
using PeftNative.Data;
using PeftNative.Inference;
using PeftNative.Models;

namespace PeftNative.Cli.Runs;

/// <summary>Computes one JSON object per record: label and scores, tags, or a continuation.</summary>
internal sealed class Predictions(ModelSession session, DataPlan data, SettingValues values, Terminal terminal)
{
    private IReadOnlyList<string> Labels => session.Model.Config.Labels;

    /// <summary>The objects, in the order of the records.</summary>
    public IEnumerable<JsonObject> Lines()
    {
        var index = 0;
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
        using var classifier = new Classifier(session.Model, [.. session.Active]);
        var encoder = Encoder(LearningTask.SequenceClassification, "text");
        foreach (var records in data.Records.Chunk(values.Int(DataSettings.BatchSize)))
        {
            var scores = classifier.Score(Batch.Of([.. records.SelectMany(encoder.Encode)]));
            for (var i = 0; i < records.Length; i++) yield return (records[i].Origin, Describe(scores[i]));
        }
    }

    private IEnumerable<(RecordOrigin, JsonObject)> Words()
    {
        using var classifier = new Classifier(session.Model, [.. session.Active]);
        foreach (var record in data.Records)
        {
            if (record is not TaggedRecord words) throw Unfit(record, "tokens");
            var tags = classifier.Tag(words.Tokens, session.Tokenizer, DataPlan.MaxLength(values, session.Model.Config));
            yield return (record.Origin, new JsonObject { ["tags"] = new JsonArray([.. tags.Select(t => t is null ? null : (JsonNode)t)]) });
        }
    }

    private IEnumerable<(RecordOrigin, JsonObject)> Continuations()
    {
        using var generator = new TextGenerator(session.Model, session.Tokenizer, [.. session.Active]);
        var encoder = session.Model.Task == ModelTask.SequenceToSequence
            ? Encoder(LearningTask.SequenceToSequence, "source, prompt or instruction") : Encoder(LearningTask.CausalLM, "prompt, instruction or messages");
        foreach (var records in data.Records.Chunk(values.Int(DataSettings.BatchSize)))
        {
            int[][] prompts = [.. records.Select(r => encoder.Encode(r).First().Ids)];
            var texts = generator.GenerateBatch(prompts, GenerateVerb.ToOptions(values), terminal.Cancellation);
            for (var i = 0; i < records.Length; i++) yield return (records[i].Origin, new JsonObject { ["prediction"] = texts[i] });
        }
    }

    private ExampleEncoder Encoder(LearningTask task, string fields)
    {
        if (data.Task != task) throw Unfit(data.Records[0], fields);
        return new ExampleEncoder(session.Tokenizer, new EncodingOptions
        {
            Task = task, MaxLength = DataPlan.MaxLength(values, session.Model.Config), ForPrediction = true,
            ChatTemplate = data.Shape == RecordShape.Messages ? Tokenizers.Chat.ChatTemplate.Load(values.Text(Shared.Model)) : null,
        });
    }

    private DataException Unfit(DataRecord record, string fields) => new(
        $"The record is not for {session.Model.Task}, which this model does.", record.Origin.ToString(), $"It needs {fields}.");

    private JsonObject Describe(float[] scores)
    {
        switch (session.Model.Config.ProblemType)
        {
            case Models.ProblemType.Regression:
                return new JsonObject { ["value"] = JsonLines.Number(scores[0]) };
            case Models.ProblemType.MultiLabel:
                var each = scores.Select(s => Classifier.Sigmoid(s)).ToArray();
                return new JsonObject { ["labels"] = JsonLines.List(Labels.Where((_, i) => each[i] > 0.5)), ["scores"] = Named(each) };
            default:
                var shares = Classifier.Softmax(scores);
                var best = Classifier.Best(scores);
                return new JsonObject { ["label"] = Labels[best], ["score"] = JsonLines.Number(shares[best]), ["scores"] = Named(shares) };
        }
    }

    private JsonObject Named(double[] scores) =>
        new(Labels.Select((label, i) => KeyValuePair.Create(label, JsonLines.Number(Math.Round(scores[i], 6)))));
}
