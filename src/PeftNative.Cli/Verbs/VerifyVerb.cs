using System.Text.RegularExpressions;
using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Cli.Verify;
using PeftNative.Ops;

namespace PeftNative.Cli.Verbs;

/// <summary>Replays recorded numbers of the reference implementations.</summary>
internal sealed class VerifyVerb : Verb
{
    private const int NumericFailure = 6, NothingSupported = 4;

    private static readonly Setting Folder = new("dir", SettingKind.Text,
        "Folder with cases/ (bases/ beside them, or where they say), tokenizers/, training/, chat-training/, metrics/ "
        + "or gguf/; or one of the last five; or ops, the operations of a backend.")
    {
        ValueName = "DIR|ops", IsRequired = true,
    };

    private static readonly Setting Model = Shared.Model with
    {
        Help = "The model that was recorded, where DIR holds what was recorded of one real model.",
        IsRequired = false, Group = "Options",
    };

    private static readonly Setting Filter = new("filter", SettingKind.Text,
        "Only cases in whose name this is found.") { ValueName = "REGEX" };

    public override string Name => "verify";

    public override string Summary => "replays recorded numbers of Hugging Face PEFT, or tests a backend's operations";

    public override string Example => "peftnative verify golden --backend reference --filter '^llama-.*-lora'";

    public override string Notes => """
        Errors are relative, the largest of each kind. Exit code 0: every case that ran holds, and at least one ran;
        6: a case differs; 4: none of the cases can be run by this version. What was not run is listed with the reason.
        verify ops runs the operation cases on a backend against the reference (a folder of that name: ./ops).
        """;

    public override Setting Argument => Folder;

    public override IReadOnlyList<Setting> Settings =>
        [Filter, Model, OperationsRun.Seed, OperationsRun.Case, OperationsRun.All, .. Shared.Machine];

    public override bool ReadsConfig => false;

    public override int Run(SettingValues values, Terminal terminal)
    {
        var pattern = ReadFilter(values);
        IBackend? backend = null;
        if (values.Text(Folder) == OperationsRun.Word)
        {
            using var tested = Machine.CreateBackend(values);
            return OperationsRun.Run(values, pattern, tested, terminal) > 0 ? NumericFailure : 0;
        }
        using var progress = new ProgressLine(terminal);
        try
        {
            var cases = Cases(values, () => backend ??= Machine.CreateBackend(values))
                .Where(c => pattern.IsMatch(c.Name)).ToList();
            if (cases.Count == 0)
                throw new UsageException("No case has a name in which the filter is found.", "--filter",
                    "Leave --filter out to see all names.");
            var lines = new List<VerifyLine>();
            foreach (var c in cases)
            {
                terminal.Cancellation.ThrowIfCancellationRequested();
                progress.Show($"{lines.Count}/{cases.Count}  {c.Name}");
                lines.Add(c.Run());
                progress.Clear();
                Print(lines[^1], terminal);
            }
            return Summarize(lines, backend, terminal);
        }
        finally
        {
            backend?.Dispose();
        }
    }

    private static IEnumerable<VerifyCase> Cases(SettingValues values, Func<IBackend> backend)
    {
        var (folder, model) = (values.Text(Folder), values.OptionalText(Model));
        if (TruthFolder.Knows(folder) && !Directory.Exists(Path.Combine(folder, "cases")))
            return TruthFolder.Find(folder, model ?? throw new UsageException(
                "The folder holds what was recorded of a model that is not in it.", "--model", "Name that model."),
                backend);
        return model is null ? GoldenFolder.Find(folder, backend)
            : throw new UsageException("The models of this folder are in it.", "--model", "Leave --model out.");
    }

    private static Regex ReadFilter(SettingValues values)
    {
        try
        {
            return new Regex(values.OptionalText(Filter) ?? "", RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1));
        }
        catch (ArgumentException e)
        {
            throw new UsageException($"The filter is no regular expression: {e.Message}", "--filter",
                "Put it into single quotes.", e);
        }
    }

    private static void Print(VerifyLine line, Terminal terminal)
    {
        terminal.Object(line.Json);
        var (word, colour) = line.Passed switch { true => ("ok   ", 32), false => ("FAIL ", 31), _ => ("not run", 33) };
        if (line.Passed is not null) terminal.Line($"{terminal.Paint(word, colour)} {line.Name,-36} {line.Text}");
    }

    private static int Summarize(List<VerifyLine> lines, IBackend? backend, Terminal terminal)
    {
        var notRun = lines.Where(l => l.Passed is null).ToList();
        var failed = lines.Count(l => l.Passed == false);
        var passed = lines.Count(l => l.Passed == true);
        // With --json the lines of the cases say all this to a machine; people who watch it get the count on the error
        // stream.
        Action<string> say = terminal.Json ? terminal.Note : terminal.Line;
        foreach (var reason in notRun.GroupBy(l => l.Text).OrderBy(g => g.Key, StringComparer.Ordinal))
            say($"not run: {reason.Key}: {string.Join(", ", reason.Select(l => l.Name))}");
        say($"{passed} passed, {failed} failed, {notRun.Count} not run"
            + (backend is null ? "" : $"  (backend {backend.Name}: {backend.Description})"));
        return failed > 0 ? NumericFailure : passed > 0 ? 0 : NothingSupported;
    }
}
