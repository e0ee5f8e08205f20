using BenchmarkDotNet.Running;
using PeftNative.Tokenizers.Benchmarks;

// Throughput beside Microsoft.ML.Tokenizers' own tokenizers, on a text file of the user's.
//   dotnet run -c Release -- --folder DIR --text FILE          one quick measurement of each
//   dotnet run -c Release -- --folder DIR --text FILE --full   BenchmarkDotNet
// DIR holds gpt2/ and bert_uncased/ (vocab.json, merges.txt, vocab.txt, tokenizer.json), such as
// ../shared/golden/tokenizers.
string Option(string name) => args.SkipWhile(a => a != name).Skip(1).FirstOrDefault()
    ?? throw new ArgumentException($"{name} is missing; usage: --folder DIR --text FILE [--full]");

Environment.SetEnvironmentVariable(Throughput.FolderVariable, Path.GetFullPath(Option("--folder")));
Environment.SetEnvironmentVariable(Throughput.TextVariable, Path.GetFullPath(Option("--text")));
if (args.Contains("--full"))
{
    BenchmarkRunner.Run<Throughput>();
    return;
}
var benchmark = new Throughput();
benchmark.Load();
Report("byte-level BPE, ours", benchmark.ByteLevelBpe);
Report("byte-level BPE, Microsoft", benchmark.MicrosoftByteLevelBpe);
Report("WordPiece, ours", benchmark.WordPiece);
Report("WordPiece, Microsoft", benchmark.MicrosoftWordPiece);
Report("1 MB line without spaces, ours", benchmark.LongLine);

void Report(string name, Func<int> run)
{
    var best = double.MaxValue;
    var (tokens, allocated) = (0, 0L);
    for (var round = 0; round < 5; round++)
    {
        var (time, bytes) = (Environment.CpuUsage.UserTime, GC.GetAllocatedBytesForCurrentThread());
        tokens = run();
        best = Math.Min(best, (Environment.CpuUsage.UserTime - time).TotalSeconds);
        allocated = GC.GetAllocatedBytesForCurrentThread() - bytes;
    }
    var size = name.StartsWith("1 MB", StringComparison.Ordinal) ? 1_000_000 : benchmark.Bytes;
    var speed = $"{name,-32} {size / best / 1e6,7:F1} MB/s of CPU time";
    Console.WriteLine($"{speed} {tokens,9:N0} tokens {allocated / (double)tokens,6:F1} bytes allocated per token");
}
