using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace PeftNative.Tests.Formats;

/// <summary>A tensor as torch.save describes it: a view of a storage, in elements.</summary>
internal sealed record TorchView(string Name, string Storage, long Offset, long[] Sizes, long[] Strides);

/// <summary>Files as torch.save writes them, in both of its forms.</summary>
internal static class TorchBytes
{
    private static readonly byte[] Magic =
        [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, (byte)'.'];

    /// <summary>A zip archive.</summary>
    internal static byte[] Zip(
        byte[] pickle, (string Key, byte[] Data)[] storages, CompressionLevel level = CompressionLevel.NoCompression)
    {
        using var stream = new MemoryStream();
        using (var zip = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            Add("data.pkl", pickle);
            Add("byteorder", "little"u8.ToArray());
            foreach (var (key, data) in storages) Add($"data/{key}", data);

            void Add(string name, byte[] bytes)
            {
                using var entry = zip.CreateEntry($"model/{name}", level).Open();
                entry.Write(bytes);
            }
        }
        return stream.ToArray();
    }

    /// <summary>The form before PyTorch 1.6.</summary>
    internal static byte[] Old(byte[] pickle, (string Key, int Width, byte[] Data)[] storages)
    {
        var bytes = new List<byte>([.. Magic, 0x80, 2, (byte)'M', 0xe9, 3, (byte)'.']);
        bytes.AddRange(new Pickle().Raw("}").Text("little_endian").Raw("\u0088s").Done());
        bytes.AddRange(pickle);
        var keys = new Pickle().Raw("](");
        foreach (var (key, _, _) in storages) keys.Text(key);
        bytes.AddRange(keys.Raw("e").Done());
        foreach (var (_, width, data) in storages)
        {
            var count = new byte[8];
            BinaryPrimitives.WriteInt64LittleEndian(count, data.Length / width);
            bytes.AddRange([.. count, .. data]);
        }
        return [.. bytes];
    }

    /// <summary>The pickle of a dictionary of tensors.</summary>
    /// <param name="views">The tensors.</param>
    /// <param name="storages">Type and number of elements of each storage.</param>
    /// <param name="isOld">Whether storages say that they are no part of another.</param>
    internal static byte[] Dictionary(
        IEnumerable<TorchView> views, Dictionary<string, (string Type, long Count)> storages, bool isOld = false)
    {
        var pickle = new Pickle().Raw("}(");
        foreach (var view in views)
        {
            pickle.Text(view.Name).Global("torch._utils", "_rebuild_tensor_v2").Raw("((").Text("storage");
            pickle.Global("torch", storages[view.Storage].Type).Text(view.Storage).Text("cpu");
            pickle.Whole(storages[view.Storage].Count).Raw(isOld ? "NtQ" : "tQ").Whole(view.Offset);
            pickle.Tuple(view.Sizes).Tuple(view.Strides).Raw("\u0089").Global("collections", "OrderedDict").Raw(")RtR");
        }
        return pickle.Raw("u").Done();
    }

    /// <summary>Instructions one after the other.</summary>
    internal sealed class Pickle
    {
        private readonly List<byte> bytes = [0x80, 2];

        internal Pickle Raw(string latin1)
        {
            bytes.AddRange(Encoding.Latin1.GetBytes(latin1));
            return this;
        }

        internal Pickle Text(string text)
        {
            var length = new byte[4];
            BinaryPrimitives.WriteInt32LittleEndian(length, Encoding.UTF8.GetByteCount(text));
            bytes.AddRange([(byte)'X', .. length, .. Encoding.UTF8.GetBytes(text)]);
            return this;
        }

        internal Pickle Global(string module, string name) => Raw($"c{module}\n{name}\n");

        internal Pickle Whole(long value)
        {
            var eight = new byte[8];
            BinaryPrimitives.WriteInt64LittleEndian(eight, value);
            bytes.AddRange([0x8a, 8, .. eight]);
            return this;
        }

        internal Pickle Tuple(long[] values)
        {
            Raw("(");
            foreach (var value in values) Whole(value);
            return Raw("t");
        }

        internal byte[] Done() => [.. bytes, (byte)'.'];
    }
}
