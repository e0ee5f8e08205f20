using System.IO.Compression;
using System.Text;
using System.Text.Json.Nodes;
using Apache.Arrow;
using Apache.Arrow.Ipc;
using Parquet.Serialization;
using PeftNative.Columnar;
using PeftNative.Data.Reading;
using Xunit;

namespace PeftNative.Cli.Tests;

/// <summary>Where data come from: columns, compressed files, folders, several files at once.</summary>
public sealed class DataSourceTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public DataSourceTests() => ColumnarFormats.Register();

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task Parquet_gives_the_records_that_were_written()
    {
        var rows = new List<Row>
        {
            new() { text = "a", label = 1, tags = ["x", "y"], pair = new Pair { en = "e", de = "d" },
                messages = [new Turn { role = "user", content = "hi" }, new Turn { role = "assistant" }],
                nested = [[1, 2], [], [3]], truth = true },
            new() { label = 2, score = 0.5, messages = [], tags = [] },
        };
        var path = folder["a.parquet"];
        await ParquetSerializer.SerializeAsync(rows, path,
            cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(
        [
            """
            {"text":"a","label":1,"score":null,"truth":true,"tags":["x","y"],"pair":{"en":"e","de":"d"},
            "messages":[{"role":"user","content":"hi"},{"role":"assistant","content":null}],"nested":[[1,2],[],[3]]}
            """.ReplaceLineEndings(""),
            """
            {"text":null,"label":2,"score":0.5,"truth":false,"tags":[],"pair":null,"messages":[],"nested":null}
            """.Trim(),
        ], DataFile.Read(path).Select(r => r.Fields.ToJsonString()));
        Assert.Equal([1L, 2L], DataFile.Read(path).Select(r => r.Origin.Line));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Arrow_files_and_streams_give_their_records(bool isFile)
    {
        var batch = new RecordBatch.Builder()
            .Append("text", false, c => c.String(a => a.AppendRange(["a", "b"])))
            .Append("label", true, c => c.Int64(a => a.Append(1).AppendNull()))
            .Append("score", false, c => c.Double(a => a.AppendRange([0.5, 2.0]))).Build();
        var path = folder["a.arrow"];
        using (var stream = File.Create(path))
        using (var writer = isFile ? new ArrowFileWriter(stream, batch.Schema)
            : new ArrowStreamWriter(stream, batch.Schema))
        {
            writer.WriteRecordBatch(batch);
            writer.WriteEnd();
        }
        Assert.Equal(["""{"text":"a","label":1,"score":0.5}""", """{"text":"b","label":null,"score":2}"""],
            DataFile.Read(path).Select(r => r.Fields.ToJsonString()));
        File.WriteAllBytes(folder["cut.arrow"], File.ReadAllBytes(path)[..200]);
        Assert.Contains("Arrow", Assert.Throws<DataException>(() => DataFile.Read(folder["cut.arrow"]).Count()).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Compressed_files_are_read_and_bombs_refused()
    {
        var text = string.Concat(Enumerable.Range(0, 50).Select(i => $"{{\"text\":\"t{i}\"}}\n"));
        Write("a.jsonl.gz", s => new GZipStream(s, CompressionLevel.Fastest), Encoding.UTF8.GetBytes(text));
        Write("a.jsonl.zst", s => new ZstdSharp.CompressionStream(s, leaveOpen: false), Encoding.UTF8.GetBytes(text));
        foreach (var name in new[] { "a.jsonl.gz", "a.jsonl.zst" })
            Assert.Equal(50, DataFile.Read(folder[name]).Count());
        var blank = new byte[300 << 20];
        blank.AsSpan().Fill((byte)'\n');
        Write("b.jsonl.zst", s => new ZstdSharp.CompressionStream(s, leaveOpen: false), blank);
        Assert.Contains("1000 times its size", Assert.Throws<DataException>(
            () => DataFile.Read(folder["b.jsonl.zst"]).Count()).Message, StringComparison.Ordinal);
        File.WriteAllBytes(folder["c.jsonl.zst"], File.ReadAllBytes(folder["a.jsonl.zst"])[..^20]);
        Assert.Throws<DataException>(() => DataFile.Read(folder["c.jsonl.zst"]).Count());

        void Write(string name, Func<Stream, Stream> compress, byte[] content)
        {
            using var stream = compress(File.Create(folder[name]));
            stream.Write(content);
        }
    }

    [Fact]
    public void A_folder_of_a_data_set_has_parts_splits_and_names_of_classes()
    {
        folder.Write("set/README.md", "---\ndataset_info:\n  features:\n  - name: text\n    dtype: string\n"
            + "  - name: label\n    dtype:\n      class_label:\n        names:\n          '0': bad\n"
            + "          '1': good\n  splits:\n  - name: train\n---\n# Set\n");
        folder.Write("set/data/train-00000-of-00002.jsonl", "{\"text\":\"a b\",\"label\":1}\n");
        folder.Write("set/data/train-00001-of-00002.jsonl", "{\"text\":\"b\",\"label\":0}\n");
        folder.Write("set/data/test-00000-of-00001.jsonl", "{\"text\":\"a\",\"label\":1}\n");
        var bert = TinyModels.Bert(folder);
        var lines = Command.Succeed("data", "--json", "--model", bert, "--data", folder["set"]).Lines;
        Assert.Equal([2, 1], lines.Select(l => (int)l["records"]!));
        Assert.Equal("""{"bad":1,"good":1}""", lines[0]["labels"]!.ToJsonString());
        var test = Assert.Single(Command.Succeed("data", "--json", "--model", bert, "--data", folder["set"], "--split",
            "test").Lines);
        Assert.Equal(1, (int)test["records"]!);
    }

    [Fact]
    public void Several_files_are_mixed_by_their_shares()
    {
        var (a, b) = (Prompts("a.jsonl", 60), Prompts("b.jsonl", 30));
        var llama = TinyModels.Llama(folder);
        Assert.Equal("90 examples", Trained("--data", a, "--data", b));
        // 30 records are 0.6 of 50, so 20 of the others are taken.
        Assert.Equal("50 examples", Trained("--data", a + ":0.4", "--data", b + ":0.6"));
        Assert.Contains("some have none", Command.Fail(2, "train", "--model", llama, "--data", a + ":0.4", "--data", b,
            "--output", folder["no"]), StringComparison.Ordinal);

        string Trained(params string[] data)
        {
            var output = folder["out" + data.Length + data[1].Length];
            var shown = Command.Succeed(["train", "--model", llama, "--output", output, "--max_steps", "1",
                "--backend", "reference", .. data]).Out;
            return shown.Split('\n').Single(l => l.StartsWith("data ", StringComparison.Ordinal)).Split(", ")[1];
        }
    }

    [Fact]
    public void Blocks_of_one_long_text_are_held_out()
    {
        var text = folder.Write("long.txt", string.Concat(Enumerable.Range(0, 200).Select(i => $"Line {i} of it.\n")));
        var shown = Command.Succeed("train", "--model", TinyModels.Llama(folder), "--data", text, "--val_size", "0.2",
            "--max_steps", "1", "--max_seq_length", "32", "--output", folder["out"], "--backend", "reference").Out;
        Assert.Contains("blocks held out of", shown, StringComparison.Ordinal);
    }

    [Fact]
    public void Records_that_cannot_be_used_are_logged_and_too_many_stop_the_run()
    {
        var lines = Enumerable.Range(0, 100).Select(i => $"{{\"prompt\":\"p{i}\",\"completion\":\"c\"}}").ToArray();
        foreach (var i in new[] { 3, 40, 60, 80 }) lines[i] = "{\"prompt\":\"no answer\"}";
        var data = folder.Write("d.jsonl", string.Join('\n', lines));
        string[] call = ["train", "--model", TinyModels.Llama(folder), "--data", data, "--max_steps", "1", "--output",
            folder["out"], "--backend", "reference"];
        var done = Command.Succeed(call);
        Assert.Contains("d.jsonl:4:", done.Error, StringComparison.Ordinal);
        var left = File.ReadLines(Path.Combine(folder["out"], "log.jsonl")).Select(l => JsonNode.Parse(l)!)
            .Where(l => (string?)l["event"] == "left_out").Select(l => ((string)l["where"]!).Split(':')[^1]);
        Assert.Equal(["4", "41", "61", "81"], left);
        var error = Command.Fail(3, [.. call, "--max_bad_records", "0.03", "--resume", "never"]);
        Assert.Contains("4 of 100 records cannot be used", error, StringComparison.Ordinal);
        Assert.Contains("d.jsonl:61", error, StringComparison.Ordinal);
    }

    private string Prompts(string name, int count) => folder.Write(name, string.Concat(Enumerable.Range(0, count)
        .Select(i => $"{{\"prompt\":\"p{i}\",\"completion\":\"c{i}\"}}\n")));

    // Names as they stand in the file.
#pragma warning disable IDE1006, CA1707
    private sealed class Pair
    {
        public string? en { get; set; }

        public string? de { get; set; }
    }

    private sealed class Turn
    {
        public string? role { get; set; }

        public string? content { get; set; }
    }

    private sealed class Row
    {
        public string? text { get; set; }

        public int label { get; set; }

        public double? score { get; set; }

        public bool truth { get; set; }

        public List<string>? tags { get; set; }

        public Pair? pair { get; set; }

        public List<Turn>? messages { get; set; }

        public List<List<int>>? nested { get; set; }
    }
#pragma warning restore IDE1006, CA1707
}
