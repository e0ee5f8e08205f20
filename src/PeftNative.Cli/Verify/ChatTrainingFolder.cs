namespace PeftNative.Cli.Verify;

/// <summary>Recorded conversations with what is trained of them: a folder of folders, one for each chat
/// template.</summary>
internal static class ChatTrainingFolder
{
    /// <summary>The cases of a folder that holds such recordings; none where it holds none.</summary>
    public static IEnumerable<VerifyCase> Find(string folder)
    {
        if (!Directory.Exists(folder)) return [];
        return Directory.GetDirectories(folder).Order(StringComparer.Ordinal).Where(ChatTrainingVerifier.Knows)
            .Select(recorded => GoldenFolder.Case("chat-training:", recorded,
                () => ChatTrainingVerifier.Verify(recorded)));
    }
}
