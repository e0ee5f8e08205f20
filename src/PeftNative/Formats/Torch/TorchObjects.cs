using PeftNative.Formats.Safetensors;

namespace PeftNative.Formats.Torch;

/// <summary>
/// Makes what a pickle of tensors calls for, and keeps the storages it named. Used by one thread at a time.
/// </summary>
internal sealed class TorchObjects
{
    private static readonly Dictionary<string, object> Globals = new(StringComparer.Ordinal)
    {
        ["collections.OrderedDict"] = PickleGlobal.OrderedDict,
        ["torch._utils._rebuild_tensor"] = PickleGlobal.Tensor,
        ["torch._utils._rebuild_tensor_v2"] = PickleGlobal.Tensor,
        ["torch._utils._rebuild_parameter"] = PickleGlobal.Parameter,
        ["torch.FloatStorage"] = new StorageType(StoredType.F32),
        ["torch.DoubleStorage"] = new StorageType(StoredType.F64),
        ["torch.HalfStorage"] = new StorageType(StoredType.F16),
        ["torch.BFloat16Storage"] = new StorageType(StoredType.BF16),
        ["torch.LongStorage"] = new StorageType(StoredType.I64),
        ["torch.IntStorage"] = new StorageType(StoredType.I32),
        ["torch.ShortStorage"] = new StorageType(StoredType.I16),
        ["torch.CharStorage"] = new StorageType(StoredType.I8),
        ["torch.ByteStorage"] = new StorageType(StoredType.U8),
        ["torch.BoolStorage"] = new StorageType(StoredType.Bool),
    };

    private readonly Dictionary<string, TorchStorage> storages = new(StringComparer.Ordinal);

    /// <summary>The storages, by their keys.</summary>
    internal IReadOnlyDictionary<string, TorchStorage> Storages => storages;

    /// <summary>What a name stands for; null for names that tensors do not need.</summary>
    internal static object? Find(string module, string name) => Globals.GetValueOrDefault($"{module}.{name}");

    /// <summary>
    /// A storage by its persistent id: its kind, type, key, place and length, before PyTorch 1.6 also what it is a part
    /// of, which must be nothing. Null where it is something else.
    /// </summary>
    internal TorchStorage? Storage(object?[] id)
    {
        if (id is not ["storage", StorageType type, string key, string, long count, ..] || count < 0) return null;
        if (id.Length > 6 || (id.Length == 6 && id[5] is not null)) return null;
        var storage = new TorchStorage(key, type.Type, count);
        if (storage.ByteLength > long.MaxValue) return null;
        return storages.TryAdd(key, storage) || storages[key] == storage ? storages[key] : null;
    }

    /// <summary>The result of a call; null where the arguments are not those of a sound tensor.</summary>
    internal static object? Call(PickleGlobal function, object?[] arguments) => (function, arguments) switch
    {
        (PickleGlobal.OrderedDict, []) => new Dictionary<string, object?>(),
        (PickleGlobal.OrderedDict, [List<object?> pairs]) => FromPairs(pairs), // as Python 2 writes it
        (PickleGlobal.Parameter, [TorchTensor tensor, ..]) => tensor,
        (PickleGlobal.Tensor, [TorchStorage storage, long offset, object?[] sizes, object?[] strides, ..])
            when Longs(sizes) is { } s && Longs(strides) is { } t && TorchTensor.IsSound(storage, offset, s, t) =>
            new TorchTensor(storage, offset, s, t),
        _ => null,
    };

    private static Dictionary<string, object?>? FromPairs(List<object?> pairs)
    {
        var map = new Dictionary<string, object?>(StringComparer.Ordinal);
        foreach (var pair in pairs)
        {
            var items = pair is List<object?> list ? [.. list] : pair as object?[];
            if (items is not [string key, var value]) return null;
            map[key] = value;
        }
        return map;
    }

    private static long[]? Longs(object?[] values) =>
        values.All(v => v is long) ? [.. values.Select(v => (long)v!)] : null;
}
