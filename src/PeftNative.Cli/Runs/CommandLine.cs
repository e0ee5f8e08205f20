namespace PeftNative.Cli.Runs;

/// <summary>Writes commands that can be copied.</summary>
internal static class CommandLine
{
    /// <summary>A path as a shell takes it.</summary>
    public static string Quote(string text) =>
        text.All(c => char.IsLetterOrDigit(c) || c is '/' or '.' or '-' or '_' or '\\' or ':' or '+')
        ? text : $"'{text.Replace("'", @"'\''")}'";
}
