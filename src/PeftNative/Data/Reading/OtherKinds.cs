using System.Text;

namespace PeftNative.Data.Reading;

/// <summary>Files that people take for data and that are something else, known by how they begin.</summary>
internal static class OtherKinds
{
    /// <summary>How many bytes of a file must be looked at.</summary>
    public const int Length = 32;

    private static readonly (byte[] Start, string What, string Remedy)[] Known =
    [
        ("version https://git-lfs"u8.ToArray(), "This is a git-lfs pointer, not the data itself.",
            "Run 'git lfs pull' in its repository."),
        ([0x1F, 0x8B], "The data file is compressed with gzip twice.", "Decompress it first."),
        ("PK\x03\x04"u8.ToArray(), "The data file is a zip archive (or an Excel sheet).",
            "Unpack it, or save the sheet as csv."),
        ("PAR1"u8.ToArray(), "The data file is in Parquet format.", "Give it the ending .parquet."),
        ("ARROW1"u8.ToArray(), "The data file is in Arrow format.", "Give it the ending .arrow."),
        ("<!DOCTYPE"u8.ToArray(), "The data file is a web page.",
            "Download the file itself, not the page that shows it."),
        ("<html"u8.ToArray(), "The data file is a web page.", "Download the file itself, not the page that shows it."),
    ];

    /// <exception cref="DataException">The file is one of them.</exception>
    public static void Refuse(ReadOnlySpan<byte> start, string path)
    {
        foreach (var (magic, what, remedy) in Known)
        {
            var head = start[..Math.Min(start.Length, magic.Length)];
            if (head.SequenceEqual(magic) || Ascii.EqualsIgnoreCase(head, magic))
                throw new DataException(what, path, remedy);
        }
    }
}
