using System.Buffers.Binary;
using System.Collections.Immutable;
using PeftNative.Formats.Text;

namespace PeftNative.Formats.Safetensors;

/// <summary>
/// The validated header of a safetensors file: what tensors there are, of what type and shape, and where. Immutable.
/// Rules follow the format's reference reader, with duplicates refused and limits on rank and on the number of tensors.
/// </summary>
public sealed class SafetensorsHeader
{
    /// <summary>The longest header, in bytes, that is read or written.</summary>
    public const long MaxHeaderBytes = 100_000_000;

    /// <summary>The largest number of tensors in one file.</summary>
    public const int MaxTensors = 1_000_000;

    /// <summary>The largest number of pairs in <c>__metadata__</c>.</summary>
    public const int MaxMetadata = 100_000;

    /// <summary>The largest number of dimensions of a tensor.</summary>
    public const int MaxRank = 8;

    private SafetensorsHeader(
        ImmutableArray<StoredTensor> tensors, IReadOnlyDictionary<string, string> metadata, long dataStart)
    {
        Tensors = tensors;
        Metadata = metadata;
        DataStart = dataStart;
    }

    /// <summary>Every tensor, in the order of their bytes in the file.</summary>
    public ImmutableArray<StoredTensor> Tensors { get; }

    /// <summary>The free text pairs of <c>__metadata__</c>; empty where the file has none.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>The position in the file of the first data byte.</summary>
    public long DataStart { get; }

    /// <summary>Reads and checks a header.</summary>
    /// <param name="headerAndLength">The start of the file: the 8-byte length and at least the whole header after it
    /// (more does no harm; less than a plausible header's length is reported as a truncated file).</param>
    /// <param name="fileLength">The length of the whole file in bytes.</param>
    /// <param name="file">The file's name for messages.</param>
    /// <exception cref="ModelFormatException">The header breaks a rule of the format; the message names file and
    /// tensor.</exception>
    public static SafetensorsHeader Parse(ReadOnlySpan<byte> headerAndLength, long fileLength, string file = "memory")
    {
        var header = Slice(headerAndLength, fileLength, file);
        var (tensors, metadata) = SafetensorsHeaderReader.Read(header, file);
        var dataStart = 8L + header.Length;
        CheckContiguous(tensors, fileLength - dataStart, file);
        return new([.. tensors], metadata.AsReadOnly(), dataStart);
    }

    private static ReadOnlySpan<byte> Slice(ReadOnlySpan<byte> head, long fileLength, string file)
    {
        const string again = "The download is probably incomplete; get the file again.";
        if (fileLength < 8 || head.Length < 8)
            throw ForeignFile.Recognise(head, file) ?? new ModelFormatException(
                $"The file is too short for safetensors: {fileLength} bytes, at least 8 are needed.", file, again);
        var length = BinaryPrimitives.ReadUInt64LittleEndian(head);
        if (length <= MaxHeaderBytes && (long)length <= fileLength - 8 && (int)length <= head.Length - 8)
            return head.Slice(8, (int)length);
        throw ForeignFile.Recognise(head, file) ?? (length > MaxHeaderBytes
            ? new ModelFormatException($"The header claims {length} bytes; the limit is {MaxHeaderBytes}.", file,
                "This is not a safetensors file, or it is damaged; get it again.")
            : new ModelFormatException(
                $"The file is truncated: its header alone needs {8 + length} bytes, the file has {fileLength}.",
                file, again));
    }

    private static void CheckContiguous(List<StoredTensor> tensors, long dataLength, string file)
    {
        tensors.Sort((a, b) => a.Begin != b.Begin ? a.Begin.CompareTo(b.Begin)
            : a.End != b.End ? a.End.CompareTo(b.End) : string.CompareOrdinal(a.Name, b.Name));
        var position = 0L;
        foreach (var tensor in tensors)
        {
            if (tensor.Begin != position)
                throw new ModelFormatException(tensor.Begin > position
                    ? $"Bytes {position} to {tensor.Begin} of the data belong to no tensor."
                    : $"The tensor's bytes overlap the one before it: it starts at {tensor.Begin}, not {position}.",
                    Message.At(file, tensor.Name), "The file is damaged or malicious; get it from a source you trust.");
            position = tensor.End;
        }
        if (position > dataLength)
            throw new ModelFormatException(
                $"The file is truncated: its tensors need {position} bytes of data, {dataLength} are there.", file,
                "The download is probably incomplete; get the file again.");
        if (position < dataLength)
            throw new ModelFormatException($"{dataLength - position} bytes follow the last tensor.", file,
                "The file is damaged or something was appended to it; get it again.");
    }
}
