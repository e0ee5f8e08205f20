using System.Collections.Immutable;
using PeftNative.Ops;

namespace PeftNative.Formats.Safetensors;

/// <summary>One tensor as a file describes it: name, element type, shape and where its bytes lie. Immutable.</summary>
/// <param name="name">The tensor's key in the file.</param>
/// <param name="type">The element type.</param>
/// <param name="shape">The dimensions, outermost first (C order); empty for a scalar.</param>
/// <param name="begin">First byte, counted from the start of the data area.</param>
/// <param name="end">One past the last byte, counted from the start of the data area.</param>
public sealed class StoredTensor(string name, StoredType type, ImmutableArray<long> shape, long begin, long end)
{
    /// <summary>The tensor's key in the file.</summary>
    public string Name { get; } = name;

    /// <summary>The element type.</summary>
    public StoredType Type { get; } = type;

    /// <summary>The dimensions, outermost first (C order); empty for a scalar.</summary>
    public ImmutableArray<long> Shape { get; } = shape;

    /// <summary>First byte, counted from the start of the data area. Not necessarily aligned to anything.</summary>
    public long Begin { get; } = begin;

    /// <summary>One past the last byte, counted from the start of the data area.</summary>
    public long End { get; } = end;

    /// <summary>
    /// How its rows are kept as blocks of bytes, in which case <see cref="Type"/> is that of a byte; else none.
    /// </summary>
    internal BlockFormat Block { get; init; }

    /// <summary>What its type is called.</summary>
    internal string TypeName => Block == BlockFormat.None ? Type.Name() : Block.Name();

    /// <summary>The number of bytes.</summary>
    public long ByteLength => End - Begin;

    /// <summary>The number of elements; 1 for a scalar.</summary>
    public long ElementCount
    {
        get
        {
            var count = 1L;
            foreach (var dimension in Shape) count *= dimension;
            return count;
        }
    }

    /// <summary>Name, type and shape, for messages.</summary>
    public override string ToString() => $"{Name} {TypeName} [{string.Join(", ", Shape)}]";
}
