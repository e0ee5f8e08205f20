using System.Text;

namespace PeftNative.Formats.Text;

/// <summary>Recognises files that often lie where a model file should: pointers, web pages, pickles.</summary>
internal static class ForeignFile
{
    private const string DownloadAgain =
        "Download the real file: this is usually an error or login page saved under the model's name.";

    /// <summary>
    /// The error to raise for content that starts with <paramref name="head"/>, or null for nothing known.
    /// </summary>
    public static ModelFormatException? Recognise(ReadOnlySpan<byte> head, string file)
    {
        if (head.StartsWith("version https://git-lfs"u8))
            return new($"{Path.GetFileName(file)} is a git-lfs pointer, not the file itself.", file,
                "Run 'git lfs pull' in the model folder, or download the file again.");
        if (head.StartsWith("PK\u0003\u0004"u8))
            return new($"{Path.GetFileName(file)} is a zip archive (perhaps a PyTorch .bin).", file,
                "If it is, give it the name that ends in .bin.");
        if (LooksLikeHtml(head))
            return new($"{Path.GetFileName(file)} is an HTML page.", file, DownloadAgain);
        return null;
    }

    private static bool LooksLikeHtml(ReadOnlySpan<byte> head)
    {
        if (head.StartsWith(Encoding.UTF8.Preamble)) head = head[3..];
        head = head.TrimStart(" \t\r\n"u8);
        return head.StartsWith("<"u8) && head.Length > 1
            && (char.IsAsciiLetter((char)head[1]) || head[1] is (byte)'!' or (byte)'?');
    }
}
