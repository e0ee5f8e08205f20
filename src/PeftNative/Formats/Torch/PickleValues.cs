using PeftNative.Formats.Safetensors;

namespace PeftNative.Formats.Torch;

/// <summary>What a pickle of tensors may name, by Python's module and name.</summary>
internal enum PickleGlobal
{
    /// <summary>collections.OrderedDict.</summary>
    OrderedDict,

    /// <summary>torch._utils._rebuild_tensor and _rebuild_tensor_v2.</summary>
    Tensor,

    /// <summary>torch._utils._rebuild_parameter: a tensor that was trained.</summary>
    Parameter,
}

/// <summary>A type of storage that a pickle names.</summary>
/// <param name="Type">Its elements.</param>
internal sealed record StorageType(StoredType Type);

/// <summary>Elements that several tensors may be views of.</summary>
/// <param name="Key">Its name in the file.</param>
/// <param name="Type">The elements.</param>
/// <param name="Count">Their number.</param>
internal sealed record TorchStorage(string Key, StoredType Type, long Count)
{
    /// <summary>The bytes it takes.</summary>
    internal Int128 ByteLength => (Int128)Count * (Type.Bits() / 8);
}

/// <summary>A view of a storage, in elements. Every element that it reaches lies in the storage.</summary>
/// <param name="Storage">The storage.</param>
/// <param name="Offset">The first element.</param>
/// <param name="Sizes">The shape.</param>
/// <param name="Strides">How far apart the elements of each dimension are.</param>
internal sealed record TorchTensor(TorchStorage Storage, long Offset, long[] Sizes, long[] Strides)
{
    /// <summary>The number of elements.</summary>
    internal long Count { get; } = Sizes.Aggregate(1L, (a, b) => a * b);

    /// <summary>Whether the elements lie side by side in C order.</summary>
    internal bool IsContiguous
    {
        get
        {
            var expected = 1L;
            for (var i = Sizes.Length - 1; i >= 0; i--)
            {
                if (Sizes[i] != 1 && Strides[i] != expected) return Count == 0;
                expected *= Sizes[i];
            }
            return true;
        }
    }

    /// <summary>Whether numbers of a file make a view whose elements all lie in the storage, none more than there
    /// are.</summary>
    internal static bool IsSound(TorchStorage storage, long offset, long[] sizes, long[] strides)
    {
        if (sizes.Length != strides.Length || sizes.Length > SafetensorsHeader.MaxRank) return false;
        if (offset < 0 || offset > storage.Count) return false;
        Int128 count = 1, last = offset;
        for (var i = 0; i < sizes.Length; i++)
        {
            if (sizes[i] < 0 || strides[i] < 0) return false;
            count *= sizes[i];
            last += (Int128)strides[i] * Math.Max(0, sizes[i] - 1);
            if (count > storage.Count) return false;
        }
        return count == 0 || last < storage.Count;
    }
}
