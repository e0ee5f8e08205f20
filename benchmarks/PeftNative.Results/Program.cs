using System.Text.Json.Nodes;
using PeftNative.Results;

if (args.Length is 0 or > 3 || args[0].StartsWith('-'))
{
    Console.Error.WriteLine("usage: PeftNative.Results REAL [PAGE.md] [FOLDER FOR RUNS]");
    return 2;
}
var real = args[0];
var page = args.Length > 1 ? args[1] : Path.Combine("docs", "results.md");
var work = args.Length > 2 ? args[2] : Path.Combine("artifacts", "results");
var reference = JsonNode.Parse(File.ReadAllText(Path.Combine(real, "results.json")))!;
var text = ResultsTable.Write(new Runs(real, work), reference);
File.WriteAllText(page, text.ReplaceLineEndings("\n"));
Console.Error.WriteLine($"written: {page}");
return 0;
