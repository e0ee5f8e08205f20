using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using PeftNative.Data.Batching;
using PeftNative.Data.Encoding;
using PeftNative.Data.Inspection;
using PeftNative.Data.Records;
using Xunit;

namespace PeftNative.Tests.Data;

/// <summary>Data that are too large to be held give what they give in memory.</summary>
public sealed class LargeDataTests : IDisposable
{
    private const int Count = 700;

    private static readonly string[] Words =
        ["the", "quick", "naïve", "fox", "jumps", "over", "日本", "lazy", "dogs"];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string, ModelTask, string> Kinds => new()
    {
        { "prompts.jsonl", ModelTask.CausalLM, "prompt completion" },
        { "prompts.csv", ModelTask.CausalLM, "prompt completion" },
        { "prompts.json", ModelTask.CausalLM, "prompt completion" },
        { "pairs.jsonl", ModelTask.SequenceToSequence, "source target" },
        { "texts.jsonl", ModelTask.CausalLM, "text" },
        { "classes.jsonl", ModelTask.SequenceClassification, "text label" },
        { "classes.csv", ModelTask.SequenceClassification, "text label" },
        { "numbers.json", ModelTask.SequenceClassification, "text number" },
        { "words.jsonl", ModelTask.TokenClassification, "tokens tags" },
    };

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Examples_on_disk_are_those_in_memory(string name, ModelTask task, string fields)
    {
        var path = _folder.Write(name, Text(name, fields.Split(' ')));
        var (held, onDisk) = (Encode(path, task, long.MaxValue), Encode(path, task, 0));
        Assert.False(held.IsOnDisk);
        Assert.True(onDisk.IsOnDisk);
        Assert.Equal(held.Records, onDisk.Records);
        Assert.Equal(held.Skipped.Select(s => s.ToString()), onDisk.Skipped.Select(s => s.ToString()));
        Assert.Equal(held.Examples.Select(Show), onDisk.Examples.Select(Show));
        foreach (var order in Enum.GetValues<SamplingOrder>())
        {
            var (one, other) = (new BatchLoader(held.Examples, 8, 5, order),
                new BatchLoader(onDisk.Examples, 8, 5, order));
            Assert.Equal(one.BatchesPerEpoch, other.BatchesPerEpoch);
            foreach (var step in new[] { 0L, 3, one.BatchesPerEpoch - 1, one.BatchesPerEpoch + 2 })
                Assert.Equal(one.Load(step).Examples.Select(Show), other.Load(step).Examples.Select(Show));
        }
        Assert.Equal(DataReport.Of(held).Tokens, DataReport.Of(onDisk).Tokens);
    }

    [Fact]
    public void Parts_of_records_on_disk_are_those_in_memory()
    {
        var path = _folder.Write("a.jsonl", Text("a.jsonl", ["prompt", "completion"]));
        var (rest, chosen) = HoldOut.Split(Count, 100, 7);
        foreach (var places in new[] { rest, chosen })
        {
            var held = RecordView.Of([Load(path, long.MaxValue)], places);
            var onDisk = RecordView.Of([Load(path, 0)], places);
            Assert.Equal(held.Select(r => r.ToString()), onDisk.Select(r => r.ToString()));
            var encoder = Encoder(ModelTask.CausalLM, null);
            Assert.Equal(EncodedData.From(held, encoder).Examples.Select(Show),
                EncodedData.From(onDisk, encoder).Examples.Select(Show));
        }
    }

    [Fact]
    public void Broken_lines_are_listed_in_their_order_with_their_numbers()
    {
        var lines = Text("a.jsonl", ["prompt", "completion"]).Split('\n').ToList();
        lines[3] = "{broken";
        lines[5] = "";
        lines[600] = """{"prompt": 3}""";
        var path = _folder.Write("a.jsonl", string.Join("\r\n", lines));
        var source = RecordSource.Open(path, new RecordOptions { SkipBadLines = true });
        var onDisk = source.Load(0);
        Assert.Equal([path + ":4", path + ":601"], source.BadLines.Select(b => b.Where));
        Assert.Equal(Count - 3, onDisk.Count);
        Assert.Equal(source.Select(r => r.ToString()), onDisk.Select(r => r.ToString()));
        var strict = Assert.Throws<DataException>(() => RecordSource.Open(path,
            new RecordOptions { Shape = RecordShape.PromptCompletion }).Load(0));
        Assert.Equal(path + ":4", strict.Where);
    }

    [Fact]
    public void A_file_that_changes_meanwhile_is_noticed()
    {
        var path = _folder.Write("a.jsonl", Text("a.jsonl", ["prompt", "completion"]));
        var records = Load(path, 0);
        File.AppendAllText(path, "\n");
        Assert.Contains("has changed", Assert.Throws<DataException>(() => records[5]).Message);
    }

    private static IReadOnlyList<DataRecord> Load(string path, long mostInMemory) =>
        RecordSource.Open(path).Load(mostInMemory);

    private static EncodedData Encode(string path, ModelTask task, long mostInMemory)
    {
        var records = Load(path, mostInMemory);
        var labels = task.WritesText() ? null : LabelVocabulary.Find(records);
        return EncodedData.From(records, Encoder(task, labels));
    }

    private static ExampleEncoder Encoder(ModelTask task, LabelVocabulary? labels)
    {
        var tokenizer = new ToyTokenizer();
        foreach (var word in Words) tokenizer.Encode($"{word} {word}"); // so that ids do not hang on threads
        return new(tokenizer, new EncodingOptions { Task = task, MaxLength = 40, Labels = labels });
    }

    private static string Show(Example e) => string.Join(' ', e.Ids) + "|" + string.Join(' ', e.Labels ?? [])
        + $"|{e.Class}|{string.Join(' ', e.Targets ?? [])}|{string.Join(' ', e.DecoderIds ?? [])}"
        + $"|{string.Join(' ', e.TokenTypes ?? [])}|{e.Origin}|{e.Truncated}|{e.LostTags}";

    private static string Text(string name, string[] fields)
    {
        var random = new Random(20261201);
        var records = Enumerable.Range(0, Count).Select(i => new JsonObject(fields.Select(f =>
            KeyValuePair.Create(f == "number" ? "label" : f, (JsonNode?)Value(f, i, random))))).ToList();
        if (name.EndsWith(".jsonl", StringComparison.Ordinal))
            return string.Join('\n', records.Select(r => r.ToJsonString()));
        if (name.EndsWith(".json", StringComparison.Ordinal)) return new JsonArray([.. records]).ToJsonString();
        var csv = new StringBuilder(string.Join(',', fields)).Append('\n');
        foreach (var record in records)
            csv.Append(string.Join(',', record.Select(f => $"\"{f.Value}\""))).Append('\n');
        return csv.ToString();
    }

    // Empty and long texts, so that some records give nothing and some several blocks.
    private static JsonNode Value(string field, int i, Random random) => field switch
    {
        "label" => i % 3 == 0 ? "good" : "bad",
        "number" => double.Parse((i % 7).ToString(CultureInfo.InvariantCulture) + ".0", CultureInfo.InvariantCulture),
        "tokens" => new JsonArray([.. Words.Take(1 + i % 9).Select(w => (JsonNode)w)]),
        "tags" => new JsonArray([.. Words.Take(1 + i % 9).Select(w => (JsonNode)(w.Length > 4 ? "B-X" : "O"))]),
        "text" when i % 50 == 7 => "",
        _ => string.Join(' ', Enumerable.Range(0, random.Next(1, i % 90 == 0 ? 200 : 12))
            .Select(_ => Words[random.Next(Words.Length)])),
    };
}
