using System.Buffers.Binary;
using System.Numerics;

namespace PeftNative.Training.Reporting;

/// <summary>
/// Records one after the other as TensorFlow frames them (TFRecord): the length as 8 bytes, its masked CRC-32C, the
/// bytes, their masked CRC-32C; all numbers little-endian. Every record is in the file at once. Not thread-safe.
/// </summary>
internal sealed class EventFile(string path) : IDisposable
{
    private const uint MaskDelta = 0xa282ead8;
    private readonly FileStream stream = new(path, FileMode.CreateNew, FileAccess.Write, FileShare.Read);

    /// <summary>Appends a record.</summary>
    internal void Write(ReadOnlySpan<byte> record)
    {
        Span<byte> head = stackalloc byte[12], tail = stackalloc byte[4];
        BinaryPrimitives.WriteUInt64LittleEndian(head, (ulong)record.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(head[8..], Masked(head[..8]));
        BinaryPrimitives.WriteUInt32LittleEndian(tail, Masked(record));
        stream.Write(head);
        stream.Write(record);
        stream.Write(tail);
        stream.Flush();
    }

    /// <inheritdoc/>
    public void Dispose() => stream.Dispose();

    // A checksum of data that holds checksums is weak, so it is rotated and shifted.
    private static uint Masked(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        foreach (var b in bytes) crc = BitOperations.Crc32C(crc, b);
        crc = ~crc;
        return BitOperations.RotateRight(crc, 15) + MaskDelta;
    }
}
