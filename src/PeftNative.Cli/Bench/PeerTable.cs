using System.Diagnostics;
using System.Text.Json;
using PeftNative.Backends;
using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Lab.Benchmarking;
using PeftNative.Lab.Benchmarking.Operations;
using PeftNative.Tensors;

namespace PeftNative.Cli.Bench;

/// <summary>
/// Whole steps of this program and of others that take the same flags, each in a process of its own so that its memory
/// can be told, all in turns in one run; beside them one large matrix product against the peaks of the machine.
/// </summary>
internal static class PeerTable
{
    private const int Rounds = 3;

    private static readonly (string Name, string Flags)[] Cases =
    [
        .. from what in new[] { "lora q,v", "lora all", "full" }
           from type in what == "full" ? ["fp32"] : new[] { "fp32", "bf16" }
           select ($"768 {what} {type}", $"--batch 2 --seq 256 {Method(what)} --dtype {type} --steps 3 --warmup 1"),
        .. from type in new[] { "fp32", "bf16" }
           select ($"small lora all {type}",
               $"--hidden 256 --layers 4 --heads 4 --kv-heads 4 --ffn 688 --vocab 4096 --batch 8 --seq 128 "
                   + $"{Method("lora all")} --dtype {type} --steps 15"),
        ("tiny lora all fp32",
            $"--hidden 64 --layers 2 --heads 4 --kv-heads 4 --ffn 176 --vocab 512 --batch 1 --seq 64 "
                + $"{Method("lora all")} --dtype fp32 --steps 50 --warmup 10"),
    ];

    /// <summary>Runs the table and shows it.</summary>
    public static int Run(SettingValues values, Terminal terminal)
    {
        var filter = values.OptionalText(BenchSettings.Filter) ?? "";
        (string Name, string Command)[] peers = [("peftnative", Own() + " bench step --json"),
            .. values.Texts(BenchSettings.Peer).Select(Split)];
        terminal.Line(MachineDescription.Line);
        var peaks = MachinePeaks.Measure((int?)values.OptionalWhole(Shared.Threads) ?? 0);
        terminal.Line(BenchmarkReport.Describe(peaks));
        List<Measurement> measured = [];
        var table = new TextTable(["case", .. peers.SelectMany(p => new[] { $"{p.Name} ms", "MiB" })]);
        var threads = values.OptionalWhole(Shared.Threads) ?? Environment.ProcessorCount;
        foreach (var (name, flags) in Cases.Where(c => c.Name.Contains(filter, StringComparison.OrdinalIgnoreCase)))
        {
            var results = RunCase(peers, $"{flags} --threads {threads}", terminal);
            table.Add([name, .. results.SelectMany(r => Cells(r))]);
            // The whole takes minutes: who stops it has what was measured until then.
            terminal.Note($"{name}: {string.Join(", ", peers.Zip(results, (p, r) => $"{p.Name} {Cells(r)[0]} ms"))}");
            measured.AddRange(peers.Zip(results).Where(p => p.Second.Count > 0)
                .Select(p => new Measurement($"{name}: {p.First.Name}", [.. p.Second.Select(r => r.Milliseconds)])));
        }
        foreach (var line in table.Lines()) terminal.Line(line);
        measured.AddRange(Products(filter, (int)threads, PeaksAgain(peaks, terminal), terminal));
        BenchOutput.Write(values, BenchOutput.Report("./build.sh bench", peaks, measured));
        return 0;
    }

    // The steps take minutes, in which a machine may come to give less: the peaks that the products are related to are
    // those of now.
    private static MachinePeaks PeaksAgain(MachinePeaks before, Terminal terminal)
    {
        var now = MachinePeaks.Measure(before.Threads);
        terminal.Line($"at the end: {BenchmarkReport.Describe(now)}");
        if (Math.Abs(now.Fp32 / before.Fp32 - 1) > 0.1) // what a step is bound by; reading varies all the time
            terminal.Note(
                "The machine changed its speed in between: cases from different moments of this run cannot be "
                    + "compared, those of one case can.");
        return now;
    }

    private static List<(double Milliseconds, double Megabytes)>[] RunCase((string Name, string Command)[] peers,
        string flags, Terminal terminal)
    {
        var results = peers.Select(_ => new List<(double, double)>()).ToArray();
        var failed = new bool[peers.Length];
        for (var round = 0; round < Rounds; round++)
            for (var p = 0; p < peers.Length; p++)
            {
                terminal.Cancellation.ThrowIfCancellationRequested();
                if (failed[p]) continue;
                if (RunOne($"{peers[p].Command} {flags}", out var error) is { } result) results[p].Add(result);
                else
                {
                    failed[p] = true;
                    terminal.Note($"skipped: {peers[p].Name} {flags}: {error}");
                }
            }
        return results;
    }

    private static (double, double)? RunOne(string command, out string error)
    {
        var start = OperatingSystem.IsWindows() ? new ProcessStartInfo("cmd.exe", ["/c", command])
            : new ProcessStartInfo("/bin/sh", ["-c", command]);
        start.RedirectStandardOutput = start.RedirectStandardError = true;
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        error = errors.Result.Split('\n', StringSplitOptions.RemoveEmptyEntries).FirstOrDefault()
            ?? $"exit code {process.ExitCode}";
        var line = output.Split('\n').LastOrDefault(l => l.StartsWith('{'));
        if (process.ExitCode != 0 || line is null) return null;
        using var json = JsonDocument.Parse(line);
        return (json.RootElement.GetProperty("step_ms")
            .GetDouble(), json.RootElement.GetProperty("peak_rss_mb").GetDouble());
    }

    private static string[] Cells(List<(double Milliseconds, double Megabytes)> results) => results.Count == 0
        ? ["-", "-"]
        : [Time(new Measurement("", [.. results.Select(r => r.Milliseconds)]).Median),
            $"{results.Max(r => r.Megabytes):0}"];

    /// <summary>Milliseconds, with more digits where there are few of them.</summary>
    public static string Time(double milliseconds) => milliseconds < 10
        ? $"{milliseconds:0.000}" : $"{milliseconds:0.0}";

    // One linear layer 1024 x 2048 x 2048 in every type the processor's backend has, against the peak.
    private static List<Measurement> Products(string filter, int threads, MachinePeaks peaks, Terminal terminal)
    {
        List<Measurement> measured = [];
        var linear = OperationBenchmark.Find("linear");
        foreach (var type in new[] { DType.Float32, DType.BFloat16 })
        {
            if (!$"linear {type.Name()}".Contains(filter, StringComparison.OrdinalIgnoreCase)) continue;
            try
            {
                using var backend = BackendFactory.Create("cpu", type, threads);
                measured.AddRange(linear.Measure(backend, key => linear.Sizes.First(s => s.Key == key).Default, peaks,
                    warmup: 2, rounds: 9));
            }
            catch (UsageException e)
            {
                terminal.Note($"skipped: linear {type.Name()}: {e.Message}");
            }
        }
        foreach (var m in measured)
            terminal.Line($"{m.Name}: {m.Rate:0} {m.RateUnit}, {m.Share * 100:0} % of the peak");
        return measured;
    }

    private static string Method(string what) => what switch
    {
        "full" => "--method full",
        "lora all" => "--method lora --rank 8 --targets all",
        _ => "--method lora --rank 8 --targets q,v",
    };

    // This program once more: the host with the program's file, or the program itself.
    private static string Own()
    {
        var host = Environment.ProcessPath!;
        return Path.GetFileNameWithoutExtension(host) == "dotnet"
            ? $"\"{host}\" \"{Path.Combine(AppContext.BaseDirectory, "PeftNative.Cli.dll")}\"" : $"\"{host}\"";
    }

    private static (string, string) Split(string peer) => peer.IndexOf('=', StringComparison.Ordinal) is var at and > 0
        ? (peer[..at], peer[(at + 1)..])
        : throw new UsageException($"'{peer}' names no peer.", "--peer", "Write NAME=COMMAND.");
}
