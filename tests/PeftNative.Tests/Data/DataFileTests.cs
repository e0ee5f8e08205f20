using System.Text;
using PeftNative.Data.Reading;
using PeftNative.Data.Records;
using Xunit;

namespace PeftNative.Tests.Data;

public sealed class DataFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string> Names => [.. HostileFiles.All.Select(f => f.ToString())];

    [Fact]
    public void There_are_at_least_sixty_hostile_files() =>
        Assert.True(HostileFiles.All.DistinctBy(f => f.ToString()).Count() >= 60);

    [Theory]
    [MemberData(nameof(Names))]
    public void Hostile_files_get_their_verdict(string name)
    {
        var file = HostileFiles.All.Single(f => f.ToString() == name);
        var path = _folder.Write(file.Extension.Length == 0 ? "data" : "data." + file.Extension, file.Bytes);
        if (file.Records is { } records)
        {
            Assert.Equal(records, RecordSource.Open(path).Count());
            return;
        }
        var error = Assert.Throws<DataException>(() => RecordSource.Open(path).Count());
        Assert.Contains(file.Error!, error.Message);
        Assert.NotNull(error.Remedy);
        Assert.StartsWith(path, error.Where);
        if (file.Line is { } line) Assert.Equal($"{path}:{line}", error.Where);
    }

    [Theory]
    [InlineData("jsonl",
        "{\"text\":\"a\",\"label\":\"x\"}\nbroken\n{\"text\":\"b\",\"label\":{}}\n{\"text\":\"c\",\"label\":\"x\"}\n",
        "2,3")]
    [InlineData("csv", "text,label\na,1\nb\nc,\nd,2\n", "3,4")]
    public void Broken_lines_can_be_left_out_and_are_listed(string extension, string text, string lines)
    {
        var source = _folder.Open("data." + extension, text, new RecordOptions { SkipBadLines = true });
        for (var pass = 0; pass < 2; pass++)
        {
            Assert.Equal(2, source.Count());
            Assert.Equal(lines, string.Join(',', source.BadLines.Select(e => e.Where!.Split(':')[^1])));
        }
    }

    [Fact]
    public void A_file_of_broken_lines_only_is_an_error_even_when_they_are_left_out()
    {
        var error = Assert.Throws<DataException>(
            () => _folder.Open("data.jsonl", "x\ny\n", new RecordOptions { SkipBadLines = true }));
        Assert.Contains("None of the 2 records is valid", error.Message);
    }

    [Fact]
    public void Records_know_their_lines_even_when_they_span_several()
    {
        _folder.Write("a.csv", "text,label\n\"one\ntwo\",1\n\nthree,2\n");
        Assert.Equal([2L, 5L], DataFile.Read(_folder["a.csv"]).Select(r => r.Origin.Line));
        _folder.Write("a.json", "{\"about\":\n\"x\",\n\"data\":[\n{\"text\":\n\"a\"},\n\n{\"text\":\"b\"}]}");
        Assert.Equal([4L, 7L], DataFile.Read(_folder["a.json"]).Select(r => r.Origin.Line));
    }

    [Fact]
    public void Quoted_fields_keep_their_text()
    {
        _folder.Write("a.csv", "text,label\n\"a \"\"b\"\",\nc\r\nd\",x\n");
        Assert.Equal("a \"b\",\nc\r\nd", DataFile.Read(_folder["a.csv"]).Single().Fields["text"]!.GetValue<string>());
    }

    [Fact]
    public void Numbers_keep_their_kind()
    {
        _folder.Write("a.jsonl", "{\"whole\":9007199254740993,\"real\":2.0,\"truth\":true,\"none\":null}\n");
        var fields = DataFile.Read(_folder["a.jsonl"]).Single().Fields;
        Assert.Equal(9007199254740993, fields["whole"]!.GetValue<long>());
        Assert.Equal(2.0, fields["real"]!.GetValue<double>());
        Assert.True(fields["truth"]!.GetValue<bool>());
        Assert.Null(fields["none"]);
    }

    [Fact]
    public void A_plain_text_is_one_record_with_line_feeds()
    {
        _folder.Write("a.txt", "\uFEFFone\r\ntwo\n\nthree");
        Assert.Equal("one\ntwo\n\nthree", DataFile.Read(_folder["a.txt"]).Single().Fields["text"]!.GetValue<string>());
    }

    [Fact]
    public void Lines_longer_than_the_buffer_are_read_and_longer_than_64_MB_refused()
    {
        var text = new string('x', 300_000);
        _folder.Write("a.jsonl", $"{{\"text\":\"{text}\"}}\n{{\"text\":\"b\"}}\n");
        Assert.Equal([text, "b"], DataFile.Read(_folder["a.jsonl"]).Select(r => r.Fields["text"]!.GetValue<string>()));

        var path = _folder["long.jsonl"];
        using (var stream = File.Create(path))
        {
            stream.Write("{\"text\":\"a\"}\n"u8);
            var block = Encoding.ASCII.GetBytes(new string('x', 1 << 20));
            for (var i = 0; i < 65; i++) stream.Write(block);
        }
        var error = Assert.Throws<DataException>(() => DataFile.Read(path).Count());
        Assert.Contains("longer than 64 MB", error.Message);
        Assert.Equal(path + ":2", error.Where);
    }

    [Fact]
    public void Missing_files_and_folders_are_named()
    {
        Assert.Contains(
            "does not exist", Assert.Throws<DataException>(() => DataFile.Read(_folder["no.jsonl"]).Count()).Message);
        Assert.Contains(
            "this is a folder", Assert.Throws<DataException>(() => DataFile.Read(_folder.Root).Count()).Message);
        Assert.Contains(
            "no such data file", Assert.Throws<DataException>(() => DataSplits.Find(_folder["no"])).Message);
    }

    [Theory]
    [InlineData("train.jsonl validation.jsonl test.jsonl", "train.jsonl", "validation.jsonl", "test.jsonl")]
    [InlineData("train.csv dev.tsv readme.md", "train.csv", "dev.tsv", null)]
    [InlineData("TRAIN.txt valid.txt", "TRAIN.txt", "valid.txt", null)]
    [InlineData("test.json", null, null, "test.json")]
    [InlineData("train-00000-of-00002.jsonl train-00001-of-00002.jsonl test-00000-of-00001.jsonl dataset_info.json",
        "train-*.jsonl", null, "test-*.jsonl")]
    [InlineData("data/train.csv.gz data/validation.csv README.md", "data/train.csv.gz", "data/validation.csv", null)]
    [InlineData("only.jsonl", "only.jsonl", null, null)]
    [InlineData("data-00000-of-00002.jsonl data-00001-of-00002.jsonl state.json", "data-*.jsonl", null, null)]
    [InlineData("train/a.jsonl train/b.jsonl test/a.jsonl", "train/*.jsonl", null, "test/*.jsonl")]
    public void A_folder_gives_its_splits(string files, string? train, string? validation, string? test)
    {
        foreach (var file in files.Split(' ')) _folder.Write(file, "{}");
        var splits = DataSplits.Find(_folder.Root);
        string? At(string? name) => name is null ? null : _folder[name];
        Assert.Equal(new DataSplits(At(train), At(validation), At(test)), splits);
    }

    [Fact]
    public void A_file_is_the_training_data_itself() =>
        Assert.Equal(new DataSplits(_folder.Write("a.jsonl", ""), null, null), DataSplits.Find(_folder["a.jsonl"]));

    [Theory]
    [InlineData("train.jsonl train.csv", "Several files could be the train data: train.csv, train.jsonl")]
    [InlineData("dev.jsonl validation.jsonl", "Several files could be the valid data")]
    [InlineData("data.jsonl other.jsonl", "no file named train")]
    [InlineData("readme.md", "It has no data files")]
    public void A_folder_that_could_mean_anything_is_refused(string files, string message)
    {
        foreach (var file in files.Split(' ')) _folder.Write(file, "");
        Assert.Contains(message, Assert.Throws<DataException>(() => DataSplits.Find(_folder.Root)).Message);
    }

    /// <summary>Whatever bytes come: records or a typed error, within the time of the test.</summary>
    [Trait("Pace", "slow")]
    [Fact]
    public void Random_mutations_never_escape_the_typed_errors()
    {
        var random = new Random(20261123);
        var seeds = HostileFiles.All.Where(f => f.Records is not null).ToArray();
        for (var i = 0; i < 3000; i++)
        {
            var seed = seeds[random.Next(seeds.Length)];
            var bytes = seed.Bytes.ToArray();
            for (var change = random.Next(1, 4); change > 0; change--)
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            var path = _folder.Write("fuzz." + seed.Extension, bytes[..random.Next(1, bytes.Length + 1)]);
            try
            {
                _ = RecordSource.Open(path, new RecordOptions { SkipBadLines = i % 2 == 0 }).Count();
            }
            catch (DataException)
            {
                // The expected verdict for most of them.
            }
        }
    }
}
