using PeftNative.Cli.Options;
using PeftNative.Cli.Output;
using PeftNative.Cli.Verbs;

namespace PeftNative.Cli;

/// <summary>The command, callable in a process: arguments and streams in, exit code out.</summary>
public static class Cli
{
    internal static readonly Verb[] Verbs =
    [
        new TrainVerb(), new CheckVerb(), new DataVerb(), new EvalVerb(), new PredictVerb(), new GenerateVerb(),
        new ChatVerb(), new MergeVerb(),
        new ExportVerb(), new InspectVerb(), new VerifyVerb(), new CompareVerb(), new DemoVerb(), new BenchVerb(),
        new EnvVerb(),
    ];

    /// <summary>The version of the program.</summary>
    public static string Version => Product.Version;

    /// <summary>Runs one call.</summary>
    /// <param name="args">The arguments, without the program's name.</param>
    /// <param name="output">Results.</param>
    /// <param name="error">Diagnostics, progress and errors.</param>
    /// <param name="input">What is piped in; null for nothing.</param>
    public static int Run(IReadOnlyList<string> args, TextWriter output, TextWriter error, TextReader? input = null)
    {
        using var interruption = new Interruption();
        return Run(args, new Terminal(output, error, input ?? TextReader.Null, interruption));
    }

    internal static int Run(IReadOnlyList<string> args, Terminal terminal)
    {
        // What decides how errors look must be known before anything can fail.
        terminal.Json = args.Contains("--json");
        terminal.Verbose = args.Contains("--verbose");
        try
        {
            return Dispatch(args, terminal);
        }
        catch (Exception e)
        {
            return ErrorPrinter.Print(e, terminal);
        }
    }

    private static int Dispatch(IReadOnlyList<string> args, Terminal terminal)
    {
        if (args.Count == 0 || args[0] is "--help" or "-h" or "-?" or "help" && args.Count == 1)
        {
            HelpPrinter.PrintOverview(Verbs, terminal.Out);
            return 0;
        }
        if (args[0] is "--version")
        {
            terminal.Out.WriteLine($"peftnative {Version}");
            return 0;
        }
        if (args[0] == "help") args = [args[1], "--help"];
        var verb = Array.Find(Verbs, v => v.Name == args[0]) ?? throw UnknownVerb(args[0]);
        var rest = args.Skip(1).ToList();
        if (rest.Any(a => a is "--help" or "-h" or "-?"))
        {
            HelpPrinter.Print(verb, terminal.Out, terminal.Verbose);
            return 0;
        }
        var values = CommandParser.Parse(verb, rest);
        (terminal.Json, terminal.Quiet) = (values.Switch(Shared.Json), values.Switch(Shared.Quiet));
        terminal.Verbose = values.Switch(Shared.Verbose);
        foreach (var setting in verb.Settings.Append(verb.Argument).OfType<Setting>())
            if (setting.IsRequired && !values.Has(setting))
                throw setting == verb.Argument ? MissingArgument(verb) : SettingValues.Missing(setting);
        return verb.Run(values, terminal);
    }

    private static UsageException MissingArgument(Verb verb) =>
        new($"{verb.Argument!.ValueName} is missing.", $"peftnative {verb.Name}",
            $"Give it without a flag: {verb.Argument.Help}");

    private static UsageException UnknownVerb(string word)
    {
        var near = Spelling.Nearest(word, Verbs.Select(v => v.Name));
        return new UsageException($"'{word}' is no verb of peftnative.", null,
            (near is null ? "" : $"Did you mean {near}? ") + $"Verbs: {string.Join(", ", Verbs.Select(v => v.Name))}.");
    }
}
