namespace PeftNative.Data.Reading;

/// <summary>
/// A kind of data file that another assembly reads. Implementations are immutable and safe to use from several threads.
/// </summary>
public abstract class DataFormat
{
    /// <summary>The endings of its files, with the dot, in lower case.</summary>
    public abstract IReadOnlyList<string> Extensions { get; }

    /// <summary>Reads the records of a file, one after the other.</summary>
    /// <param name="file">The file, at its start; it can seek and stays open.</param>
    /// <param name="path">Its name, for messages and origins.</param>
    /// <exception cref="DataException">While enumerating: the file is none of the kind, or broken.</exception>
    public abstract IEnumerable<RawRecord> Read(Stream file, string path);

    /// <summary>
    /// The names of the classes of columns that hold numbers of classes, by column; empty where the file says none.
    /// </summary>
    /// <param name="file">The file, at its start.</param>
    /// <param name="path">Its name, for messages.</param>
    public virtual IReadOnlyDictionary<string, IReadOnlyList<string>> ClassNames(Stream file, string path) =>
        new Dictionary<string, IReadOnlyList<string>>();
}

/// <summary>A way of compressing that another assembly undoes.</summary>
/// <param name="Name">Its name, for messages.</param>
/// <param name="Magic">The bytes that such files begin with.</param>
/// <param name="Open">Gives the content of a compressed stream.</param>
public sealed record Decompression(string Name, byte[] Magic, Func<Stream, Stream> Open);

/// <summary>
/// The kinds of data files of other assemblies, each made known by one call, so that nothing is found by reflection.
/// Safe to use from several threads.
/// </summary>
public static class DataFormats
{
    private static readonly Lock Gate = new();
    private static IReadOnlyList<DataFormat> formats = [];
    private static IReadOnlyList<Decompression> decompressions = [];

    /// <summary>The kinds known so far.</summary>
    public static IReadOnlyList<DataFormat> All => formats;

    /// <summary>The ways of compressing known so far, gzip aside, which needs no other assembly.</summary>
    public static IReadOnlyList<Decompression> Decompressions => decompressions;

    /// <summary>Makes a kind of file known.</summary>
    public static void Register(DataFormat format)
    {
        lock (Gate) formats = [.. formats, format];
    }

    /// <summary>Makes a way of compressing known.</summary>
    public static void Register(Decompression decompression)
    {
        lock (Gate) decompressions = [.. decompressions, decompression];
    }

    /// <summary>The kind that an ending stands for; null for none.</summary>
    internal static DataFormat? Of(string extension) => formats.FirstOrDefault(f => f.Extensions.Contains(extension));
}
