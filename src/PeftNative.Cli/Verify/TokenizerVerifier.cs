namespace PeftNative.Cli.Verify;

/// <summary>The outcome of replaying one recorded folder.</summary>
/// <param name="Name">The name of the folder.</param>
/// <param name="Checked">How many recorded cases were replayed.</param>
/// <param name="Failed">How many differed.</param>
/// <param name="FirstFailure">What differed first, or null.</param>
internal sealed record TokenizerVerification(string Name, int Checked, int Failed, string? FirstFailure);

/// <summary>
/// Replays recorded calls of the reference libraries: cases.json, batches.json, stream.json and
/// sentencepiece_differs.json of one folder.
/// </summary>
internal static class TokenizerVerifier
{
    /// <summary>Replays one folder.</summary>
    /// <param name="folder">A folder with tokenizer files and recorded cases.</param>
    /// <exception cref="ModelFormatException">A file of the folder is broken.</exception>
    public static TokenizerVerification Verify(string folder)
    {
        var replay = new TokenizerReplay(folder);
        replay.Run();
        return new(Path.GetFileName(Path.TrimEndingDirectorySeparator(folder)), replay.Checked, replay.Failed,
            replay.FirstFailure);
    }
}
