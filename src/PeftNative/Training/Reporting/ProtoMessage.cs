using System.Buffers.Binary;
using System.Text;

namespace PeftNative.Training.Reporting;

/// <summary>Writes a message in Protocol Buffers' wire format, field by field. Not thread-safe.</summary>
internal sealed class ProtoMessage
{
    private const int Varint = 0, Fixed64 = 1, Delimited = 2, Fixed32 = 5;
    private readonly List<byte> bytes = [];

    /// <summary>An integer.</summary>
    internal ProtoMessage Add(int field, long value)
    {
        Key(field, Varint);
        WriteVarint((ulong)value);
        return this;
    }

    /// <summary>A double.</summary>
    internal ProtoMessage Add(int field, double value)
    {
        Key(field, Fixed64);
        Span<byte> raw = stackalloc byte[8];
        BinaryPrimitives.WriteDoubleLittleEndian(raw, value);
        bytes.AddRange(raw);
        return this;
    }

    /// <summary>A float.</summary>
    internal ProtoMessage Add(int field, float value)
    {
        Key(field, Fixed32);
        Span<byte> raw = stackalloc byte[4];
        BinaryPrimitives.WriteSingleLittleEndian(raw, value);
        bytes.AddRange(raw);
        return this;
    }

    /// <summary>A text.</summary>
    internal ProtoMessage Add(int field, string value) => Add(field, Encoding.UTF8.GetBytes(value));

    /// <summary>A message.</summary>
    internal ProtoMessage Add(int field, ProtoMessage value) => Add(field, value.ToArray());

    /// <summary>All of it.</summary>
    internal byte[] ToArray() => [.. bytes];

    private ProtoMessage Add(int field, byte[] value)
    {
        Key(field, Delimited);
        WriteVarint((ulong)value.Length);
        bytes.AddRange(value);
        return this;
    }

    private void Key(int field, int wireType) => WriteVarint((ulong)(field << 3 | wireType));

    private void WriteVarint(ulong value)
    {
        for (; value >= 0x80; value >>= 7) bytes.Add((byte)(value | 0x80));
        bytes.Add((byte)value);
    }
}
