using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using BenchmarkDotNet.Attributes;
using Microsoft.ML.Tokenizers;

namespace PeftNative.Tokenizers.Benchmarks;

/// <summary>What is measured.</summary>
[MemoryDiagnoser]
public class Throughput
{
    internal const string FolderVariable = "PEFTNATIVE_BENCH_TOKENIZERS", TextVariable = "PEFTNATIVE_BENCH_TEXT";

    private string[] lines = [];
    private string longLine = "";
    private HfTokenizer gpt2 = null!, bert = null!;
    private BpeTokenizer microsoftGpt2 = null!;
    private BertTokenizer microsoftBert = null!;

    internal long Bytes { get; private set; }

    [GlobalSetup]
    public void Load()
    {
        var folder = Environment.GetEnvironmentVariable(FolderVariable)!;
        lines = File.ReadAllLines(Environment.GetEnvironmentVariable(TextVariable)!);
        Bytes = lines.Sum(l => (long)Encoding.UTF8.GetByteCount(l));
        var random = new Random(1);
        longLine = string.Create(1_000_000, random, (span, r) =>
            { foreach (ref var c in span) c = (char)('a' + r.Next(26)); });
        gpt2 = HfTokenizer.Load(Path.Combine(folder, "gpt2"));
        bert = HfTokenizer.Load(Path.Combine(folder, "bert_uncased"));
        var vocabulary = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "gpt2", "vocab.json"))).RootElement
            .EnumerateObject().Select(p => KeyValuePair.Create(p.Name, p.Value.GetInt32()));
        var split = new Regex(@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
            RegexOptions.Compiled);
        microsoftGpt2 = BpeTokenizer.Create(new BpeOptions(vocabulary)
        {
            Merges = File.ReadLines(Path.Combine(folder, "gpt2", "merges.txt")).Where(l =>
                l.Length > 0 && !l.StartsWith("#version")),
            ByteLevel = true,
            PreTokenizer = new RegexPreTokenizer(split, null),
        });
        using var words = File.OpenRead(Path.Combine(folder, "bert_uncased", "vocab.txt"));
        microsoftBert = BertTokenizer.Create(words);
    }

    [Benchmark]
    public int ByteLevelBpe() => gpt2.EncodeBatch(lines).Ids.Length;

    [Benchmark]
    public int MicrosoftByteLevelBpe() => lines.Sum(l => microsoftGpt2.EncodeToIds(l).Count);

    [Benchmark]
    public int WordPiece() => bert.EncodeBatch(lines).Ids.Length;

    [Benchmark]
    public int MicrosoftWordPiece() => lines.Sum(l => microsoftBert.EncodeToIds(l).Count);

    [Benchmark]
    public int LongLine() => gpt2.EncodeText(longLine).Ids.Length;
}
