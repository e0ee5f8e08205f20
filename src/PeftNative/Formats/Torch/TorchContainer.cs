using System.Buffers.Binary;
using PeftNative.Formats.Storage;
using PeftNative.Formats.Text;

namespace PeftNative.Formats.Torch;

/// <summary>What a file of <c>torch.save</c> holds: the object, and where the bytes of its storages are.</summary>
/// <param name="Root">What was saved.</param>
/// <param name="Storages">The first byte of each storage; all its bytes lie in the file.</param>
internal sealed record TorchContainer(object? Root, IReadOnlyDictionary<string, long> Storages)
{
    private const string Pickle = "data.pkl";
    private const string Again = "The file is damaged, or not what torch.save wrote; get it again.";

    // What the form before PyTorch 1.6 begins with, and its version.
    private static readonly Int128 Magic = ((Int128)0x1950 << 64) + (Int128)0xa86a20f9469cfc6cUL;
    private const long Version = 1001;

    /// <summary>Reads either form.</summary>
    /// <exception cref="ModelFormatException">It is damaged, or asks for more than tensors.</exception>
    internal static TorchContainer Read(MappedFile file)
    {
        var head = file.Bytes(0, (int)Math.Min(file.Length, 64));
        if (head.StartsWith("PK\u0003\u0004"u8)) return ReadZip(file);
        if (head.Length > 0 && head[0] == (byte)Opcode.Proto) return ReadOld(file);
        throw ForeignFile.Recognise(head, file.Path)
            ?? new ModelFormatException("This is not a file of torch.save.", file.Path, Again);
    }

    private static TorchContainer ReadZip(MappedFile file)
    {
        var entries = new ZipEntries(file);
        var pickles = entries.Names
            .Where(n => n == Pickle || n.EndsWith("/" + Pickle, StringComparison.Ordinal)).ToList();
        if (pickles is not [var pickle])
            throw new ModelFormatException($"The zip archive has {pickles.Count} entries {Pickle}.", file.Path,
                "Give a file of torch.save; TorchScript archives and other zip files are not read.");
        var root = pickle[..^Pickle.Length];
        if (entries.Find(root + "byteorder") is { Length: < 16 } order
            && !file.Bytes(order.Offset, (int)order.Length).SequenceEqual("little"u8)) throw BigEndian(file);
        var (offset, length) = entries.Find(pickle)!.Value;
        if (length > PickleReader.MaxBytes)
            throw new ModelFormatException($"The pickle has {length} bytes; the limit is {PickleReader.MaxBytes}.",
                file.Path);
        var objects = new TorchObjects();
        var reader = new PickleReader(file.Bytes(offset, (int)length), offset, file.Path, objects);
        var value = reader.Read();
        var places = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var (key, storage) in objects.Storages)
        {
            if (entries.Find($"{root}data/{key}") is not { } found || found.Length < storage.ByteLength)
                throw new ModelFormatException($"The numbers of the storage '{Message.Clip(key)}' are not all there.",
                    file.Path, Again);
            places[key] = found.Offset;
        }
        return new TorchContainer(value, places);
    }

    // Five pickles: magic number, version, the machine, the object, the keys of the storages; then these, each after
    // its length.
    private static TorchContainer ReadOld(MappedFile file)
    {
        var objects = new TorchObjects();
        var at = 0L;
        if (Next() is not Int128 magic || magic != Magic)
            throw new ModelFormatException("The file is a pickle that torch.save did not write.", file.Path, Again);
        if (Next() is not Version)
            throw new ModelFormatException(
                "The file is of another version of torch.save's old form.", file.Path, Again);
        if (Next() is not Dictionary<string, object?> machine || machine.GetValueOrDefault("little_endian") is not true)
            throw BigEndian(file);
        var (root, keys) = (Next(), Next() as List<object?>);
        var places = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var item in keys ?? [])
        {
            if (item is not string key || !objects.Storages.TryGetValue(key, out var storage)
                || BinaryPrimitives.ReadInt64LittleEndian(file.Bytes(at, 8)) != storage.Count
                || storage.ByteLength > file.Length - at - 8 || !places.TryAdd(key, at + 8))
                throw new ModelFormatException("The list of storages does not fit the tensors.",
                    $"{file.Path}, byte {at}", Again);
            at += 8 + (long)storage.ByteLength;
        }
        if (objects.Storages.Keys.FirstOrDefault(k => !places.ContainsKey(k)) is { } missing)
            throw new ModelFormatException($"The numbers of the storage '{Message.Clip(missing)}' are not there.",
                file.Path, Again);
        return new TorchContainer(root, places);

        object? Next()
        {
            var length = (int)Math.Min(file.Length - at, PickleReader.MaxBytes);
            var reader = new PickleReader(file.Bytes(at, length), at, file.Path, objects);
            var value = reader.Read();
            at += reader.Position;
            return value;
        }
    }

    private static ModelFormatException BigEndian(MappedFile file) => new(
        "The file was saved on a machine with big-endian numbers.", file.Path,
        "Save its tensors as safetensors there.");
}
