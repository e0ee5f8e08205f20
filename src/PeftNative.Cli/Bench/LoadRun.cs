using System.Diagnostics;
using System.Text.Json.Nodes;
using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Lab.Benchmarking;
using PeftNative.Tensors;
using PeftNative.Tokenizers;

namespace PeftNative.Cli.Bench;

/// <summary>What loading a model of files takes, and LoRA on it.</summary>
internal static class LoadRun
{
    /// <summary>Measures one model; its JSON line is what other tools rely on.</summary>
    public static int Load(SettingValues values, Terminal terminal)
    {
        var path = values.OptionalText(BenchSettings.Base)
            ?? throw new UsageException("bench load needs a model.", "--model", "Give a folder or a .gguf file.");
        using var backend = Machine.CreateBackend(values);
        var result = LoadBenchmark.Run(backend, path, BenchSettings.StepOptions(values), terminal.Cancellation);
        var tokenizer = TokenizerTime(path);
        terminal.Object(new JsonObject
        {
            ["model"] = path, ["backend"] = backend.Name, ["dtype"] = backend.ComputeType.Name(),
            ["file_bytes"] = result.FileBytes, ["parameters"] = result.Parameters,
            ["weight_bytes"] = result.WeightBytes, ["mapped_bytes"] = result.MappedBytes, ["cold"] = result.IsCold,
            ["load_ms"] = Math.Round(result.LoadMilliseconds, 1),
            ["tokenizer_ms"] = tokenizer is { } t ? Math.Round(t, 1) : null,
            ["before_rss_mb"] = Mebibytes(result.BeforeBytes), ["load_peak_rss_mb"] = Mebibytes(result.LoadPeakBytes),
            ["load_own_mb"] = Mebibytes(result.LoadOwnBytes),
            ["load_factor"] = Math.Round(result.LoadFactor, 3), ["step_ms"] = Math.Round(result.StepMilliseconds, 1),
            ["activation_mb"] = Mebibytes(result.ActivationBytes), ["peak_rss_mb"] = Mebibytes(result.TrainPeakBytes),
            ["train_factor"] = Math.Round(result.TrainFactor, 3),
            ["train_own_factor"] = Math.Round(result.TrainOwnFactor, 3),
        });
        terminal.Line($"backend     {backend.Description}");
        terminal.Line(
            $"files       {Quantity.Bytes(result.FileBytes)}, {Quantity.Count(result.Parameters)} parameters");
        terminal.Line($"load        {result.LoadMilliseconds:0} ms"
            + (result.IsCold ? " from the disk" : ", perhaps from the cache of files")
            + (tokenizer is { } own ? $", the tokenizer {own:0} ms" : ""));
        terminal.Line($"weights     {Quantity.Bytes(result.WeightBytes)} in memory"
            + (result.MappedBytes > 0
                ? $", {Quantity.Bytes(result.MappedBytes)} used where they lie in the file" : ""));
        terminal.Line($"loading     {Mebibytes(result.LoadPeakBytes)} MiB resident at most, "
            + $"{Mebibytes(result.BeforeBytes)} of them the program before: {result.LoadFactor:0.00} times the files; "
            + $"{Mebibytes(result.LoadOwnBytes)} MiB of it are no pages of files");
        terminal.Line($"training    {Mebibytes(result.TrainPeakBytes)} MiB resident at most, "
            + $"{Mebibytes(result.ActivationBytes)} of them activations: the rest without the program is "
            + $"{result.TrainFactor:0.00} times the files, {result.TrainOwnFactor:0.00} without pages of files");
        terminal.Line($"step        {result.StepMilliseconds:0.0} ms");
        BenchOutput.Write(values, BenchOutput.Report("peftnative bench load", null,
            [new Measurement("load", [result.LoadMilliseconds])]));
        return 0;
    }

    private static long Mebibytes(long bytes) => bytes >> 20;

    // A checkpoint of weights alone has none.
    private static double? TokenizerTime(string path)
    {
        var clock = Stopwatch.StartNew();
        try
        {
            HfTokenizer.Load(path);
            return clock.Elapsed.TotalMilliseconds;
        }
        catch (ModelFormatException)
        {
            return null;
        }
    }
}
