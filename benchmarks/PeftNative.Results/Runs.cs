using System.Text.Json.Nodes;

namespace PeftNative.Results;

/// <summary>
/// Trains, and keeps what each run reached in a folder, so that a second call goes on where the first ended.
/// </summary>
/// <param name="real">The folder with the encoder, the data and the reference's results.</param>
/// <param name="work">Where runs are kept.</param>
/// <param name="trains">Whether runs that are not there are made.</param>
internal sealed class Runs(string real, string work, bool trains)
{
    /// <summary>The accuracy that a run reaches, from 0 to 1; null where it is not there.</summary>
    public double? Accuracy(MethodRow method, DataColumn data, int seed) =>
        Summary(method, data, seed)?["last"]!["accuracy"]!.GetValue<double>();

    /// <summary>The numbers that a run trains; null where it is not there.</summary>
    public long? Trainable(MethodRow method, DataColumn data) =>
        Summary(method, data, 0)?["trainable"]!.GetValue<long>();

    private JsonNode? Summary(MethodRow method, DataColumn data, int seed)
    {
        var kept = Path.Combine(work, $"{method.Key}-{data.Key}-{seed}.json");
        if (!File.Exists(kept) && trains) Train(method, data, seed, kept);
        return File.Exists(kept) ? JsonNode.Parse(File.ReadAllText(kept)) : null;
    }

    private void Train(MethodRow method, DataColumn data, int seed, string kept)
    {
        Directory.CreateDirectory(work);
        var output = Path.Combine(work, "run");
        if (Directory.Exists(output)) Directory.Delete(output, recursive: true);
        var trainFile = Path.Combine(work, $"{data.Key}.jsonl");
        File.WriteAllLines(trainFile, File.ReadLines(Path.Combine(real, "data", data.TrainFile)).Take(data.Records));
        Console.Error.WriteLine($"{DateTime.Now:HH:mm:ss} {method.Name} on {data.Name} records, seed {seed}");
        var error = new StringWriter();
        var code = Cli.Cli.Run(Recipe.Arguments(method, data, seed, real, trainFile, output), TextWriter.Null, error);
        if (code != 0) throw new InvalidOperationException($"the run ended with code {code}: {error}");
        File.Copy(Path.Combine(output, "summary.json"), kept);
        Directory.Delete(output, recursive: true);
    }
}
