using PeftNative.Lab.Verification;

namespace PeftNative.Cli.Verify;

/// <summary>
/// Replays recorded calls of the reference libraries: cases.json, batches.json, stream.json and
/// sentencepiece_differs.json of one folder.
/// </summary>
internal static class TokenizerVerifier
{
    /// <summary>Replays one folder.</summary>
    /// <param name="folder">A folder with tokenizer files and recorded cases.</param>
    /// <exception cref="ModelFormatException">A file of the folder is broken.</exception>
    public static VerificationResult Verify(string folder)
    {
        var replay = new TokenizerReplay(folder);
        replay.Run();
        return new(Path.GetFileName(Path.TrimEndingDirectorySeparator(folder)), replay.Checked, replay.Failed,
            replay.FirstFailure);
    }
}
