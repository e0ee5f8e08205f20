namespace PeftNative.Cli.Output;

/// <summary>Says what went wrong in at most three lines: what, where, what to do.</summary>
internal static class ErrorPrinter
{
    /// <summary>Where internal errors are reported.</summary>
    public const string ReportTo = "Please report it with the command you gave and the output of 'peftnative env'.";

    /// <summary>Prints an error; returns the exit code of its kind.</summary>
    public static int Print(Exception error, Terminal terminal)
    {
        var (what, where, remedy, code) = Describe(error, terminal);
        terminal.Error.WriteLine($"error: {OneLine(what)}");
        if (where is not null) terminal.Error.WriteLine($"where: {OneLine(where)}");
        if (remedy is not null) terminal.Error.WriteLine($"to do: {OneLine(remedy)}");
        if (terminal.Verbose && error is not OperationCanceledException) terminal.Error.WriteLine(error.ToString());
        return code;
    }

    private static (string What, string? Where, string? Remedy, int Code) Describe(Exception error,
        Terminal terminal) => error switch
    {
        PeftNativeException e => (e.What, e.Where, e.Remedy, e.ExitCode),
        OperationCanceledException => ("Interrupted.", null, null, terminal.Interruption.ExitCode),
        OutOfMemoryException =>
            ("There is not enough memory.", null, "Use a smaller batch, shorter sequences or a smaller model.", 7),
        IOException or UnauthorizedAccessException =>
            (error.Message, null, "Check the path, its permissions and the free space.", 5),
        _ => ($"internal error: {error.GetType().Name}: {error.Message}", null,
            ReportTo + (terminal.Verbose ? "" : " --verbose shows where it happened."), 1),
    };

    private static string OneLine(string text) => text.ReplaceLineEndings(" ").Trim();
}
