using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Lab.Cases;
using PeftNative.Lab.Verification;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Cli.Verify;

/// <summary><c>peftnative verify ops</c>: every operation of a backend against the reference.</summary>
internal static class OperationsRun
{
    /// <summary>The word that stands in the place of a folder.</summary>
    public const string Word = "ops";

    public static readonly Setting Seed = new("seed", SettingKind.Whole, "ops: seed of sizes, options and inputs.")
    {
        Default = OperationCases.DefaultSeed.ToString(CultureInfo.InvariantCulture), Least = 0,
    };

    public static readonly Setting Case = new("case", SettingKind.Text,
        "ops: only the case of exactly this name, as a failure prints it.") { ValueName = "NAME" };

    public static readonly Setting All = new("all", SettingKind.Switch, "ops: every case, also on a slow backend.");

    // The emulation takes minutes for all cases; a tenth of them has every option of every operation.
    private const int SlowStep = 10;

    private static readonly string[] Slow = ["ilgpu-cpu"];

    /// <summary>Runs the cases; returns how many failed.</summary>
    public static int Run(SettingValues values, Regex filter, IBackend backend, Terminal terminal)
    {
        var seed = (ulong)values.Whole(Seed);
        IReadOnlyList<OperationCase> all = [.. OperationCases.All(seed),
            .. backend.MultipliesCodes ? OperationCases.WithCodes(seed) : []];
        var chosen = Choose(all, values, filter, backend);
        var verifier = new OperationVerifier(backend);
        using var progress = new ProgressLine(terminal);
        foreach (var (i, operationCase) in chosen.Index())
        {
            terminal.Cancellation.ThrowIfCancellationRequested();
            progress.Show($"{i}/{chosen.Count}  {operationCase.Name}");
            var result = verifier.Run(operationCase);
            if (result.Passed) continue;
            progress.Clear();
            var again = Repeat(operationCase, values, backend);
            terminal.Line(
                $"{terminal.Paint("FAIL", 31)} {operationCase.Name}\n     {result.Failure}\n     again: {again}");
            terminal.Object(new JsonObject
            {
                ["case"] = operationCase.Name, ["passed"] = false, ["error"] = JsonLines.Number(result.Error),
                ["failure"] = result.Failure,
                ["again"] = again,
            });
        }
        progress.Clear();
        Print(verifier, chosen.Count, all.Count, backend, terminal);
        return verifier.Failures.Count;
    }

    private static IReadOnlyList<OperationCase> Choose(IReadOnlyList<OperationCase> all, SettingValues values,
        Regex filter, IBackend backend)
    {
        if (values.OptionalText(Case) is { } name)
            return all.FirstOrDefault(c => c.Name == name) is { } one ? [one]
                : throw new UsageException("There is no case of that name.", "--case",
                    "Give the seed with which it was printed, and quote the name.");
        IReadOnlyList<OperationCase> found = [.. all.Where(c => filter.IsMatch(c.Name))];
        if (found.Count == 0)
            throw new UsageException("No case has a name in which the filter is found.", "--filter",
                $"Operations: {string.Join(", ", all.Select(c => c.Operation).Distinct())}.");
        return Slow.Contains(backend.Name) && !values.Switch(All) ? OperationVerifier.EveryNth(found, SlowStep) : found;
    }

    private static string Repeat(OperationCase operationCase, SettingValues values, IBackend backend) =>
        $"peftnative verify {Word} --backend {backend.Name} --dtype {values.Text(Shared.DType)} --seed "
        + $"{values.Whole(Seed)} --case '{operationCase.Name}'";

    private static void Print(OperationVerifier verifier, int run, int all, IBackend backend, Terminal terminal)
    {
        var type = backend.ComputeType.Name();
        foreach (var s in verifier.Summaries)
        {
            terminal.Object(new JsonObject
            {
                ["operation"] = s.Operation, ["dtype"] = type, ["cases"] = s.Cases, ["failed"] = s.Failed,
                ["error"] = JsonLines.Number(s.Error), ["worst_case"] = s.WorstCase,
                ["seconds"] = Math.Round(s.Seconds, 3),
            });
            var word = s.Failed == 0 ? terminal.Paint("ok  ", 32) : terminal.Paint("FAIL", 31);
            terminal.Line(
                $"{word} {s.Operation,-15} {type}  {s.Cases,5} cases  {s.Failed,4} failed  worst error "
                    + $"{Quantity.Number(s.Error),-8} {s.Seconds,7:0.0} s");
        }
        Action<string> say = terminal.Json ? terminal.Note : terminal.Line;
        if (run < all)
            say($"not exercised: {all - run:N0} of {all:N0} cases, which were not chosen (--all and no --filter run "
                + "all of them)");
        if (!backend.MultipliesCodes)
            say("not exercised: linear layers with weights of codes, which this backend does not multiply");
        var survey = Machine.Survey();
        foreach (var other in survey.Where(b => !b.IsAvailable))
            say($"not exercised: the backend {other.Name}: {other.Detail}");
        say($"{run - verifier.Failures.Count} passed, {verifier.Failures.Count} failed  (backend {backend.Name}: "
            + $"{backend.Description})");
    }
}
