using System.Text.Json.Nodes;
using PeftNative.Results;

// With --as-it-stands nothing is trained: the page is written from the runs that are there.
var trains = !args.Contains("--as-it-stands");
args = [.. args.Where(a => a != "--as-it-stands")];
if (args.Length is 0 or > 3 || args[0].StartsWith('-'))
{
    Console.Error.WriteLine("usage: PeftNative.Results REAL [PAGE.md] [FOLDER FOR RUNS] [--as-it-stands]");
    return 2;
}
var real = args[0];
var page = args.Length > 1 ? args[1] : Path.Combine("docs", "results.md");
var work = args.Length > 2 ? args[2] : Path.Combine("artifacts", "results");
var reference = JsonNode.Parse(File.ReadAllText(Path.Combine(real, "results.json")))!;
var text = ResultsTable.Write(new Runs(real, work, trains), reference);
File.WriteAllText(page, text.ReplaceLineEndings("\n"));
Console.Error.WriteLine($"written: {page}");
return 0;
