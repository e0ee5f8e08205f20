using System.Runtime.InteropServices;
using System.Text;
using PeftNative.Formats.Gguf;
using PeftNative.Formats.Safetensors;

namespace PeftNative.Tests.Formats;

/// <summary>A tensor as a GGUF file has it: its sizes the slowest first, its type by number.</summary>
internal sealed record GgufPart(string Name, long[] Shape, int Type, byte[] Bytes);

/// <summary>A GGUF file to be written again with other values and tensors.</summary>
internal sealed class GgufCopy
{
    private const int Alignment = 32, UInt32 = 4, Float32 = 6, String = 8;

    private readonly byte[] own;
    private readonly int count;
    private readonly List<(string Key, object Value)> added = [];

    public GgufCopy(string path)
    {
        var bytes = File.ReadAllBytes(path);
        var header = GgufHeader.Parse(bytes, bytes.Length, path);
        count = header.Values.All.Count;
        own = bytes[24..Find(bytes, header.Tensors[0].Name)];
        Tensors = [.. header.Tensors.Select(t => new GgufPart(t.Name, [.. t.Shape], Type(bytes, t),
            bytes.AsSpan((int)(header.DataStart + t.Begin), (int)t.ByteLength).ToArray()))];
    }

    /// <summary>The tensors, in the file's order.</summary>
    public List<GgufPart> Tensors { get; }

    /// <summary>Sets a whole number that the file has, or adds a value that it has not.</summary>
    public GgufCopy Set(string key, object value)
    {
        var at = Find(own, key);
        if (at < 0) added.Add((key, value));
        else BitConverter.TryWriteBytes(own.AsSpan(at + 8 + key.Length + 4), (uint)value);
        return this;
    }

    /// <summary>Adds a tensor of numbers in single precision.</summary>
    public GgufCopy Add(string name, float[] values)
    {
        Tensors.Add(new GgufPart(name, [values.Length], 0, MemoryMarshal.AsBytes<float>(values).ToArray()));
        return this;
    }

    /// <summary>Writes a file in a folder of its own.</summary>
    public string Write(ScratchFolder scratch) => scratch.Write($"{Guid.NewGuid():N}.gguf", ToArray());

    /// <summary>Several files of the model: the first has the keys, each some of the tensors.</summary>
    public IEnumerable<byte[]> Split(int parts) => Enumerable.Range(0, parts).Select(part =>
        ToArray([.. Tensors.Where((_, i) => i % parts == part)], hasValues: part == 0, ("split.no", (uint)part),
            ("split.count", (uint)parts), ("split.tensors.count", (uint)Tensors.Count)));

    /// <summary>The file, or one that has other tensors and perhaps not the values of this.</summary>
    public byte[] ToArray(IReadOnlyList<GgufPart>? tensors = null, bool hasValues = true,
        params (string Key, object Value)[] more)
    {
        tensors ??= Tensors;
        List<(string, object)> values = [.. hasValues ? added : [], .. more];
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write("GGUF"u8);
        writer.Write(3);
        writer.Write((long)tensors.Count);
        writer.Write((hasValues ? count : 0L) + values.Count);
        if (hasValues) writer.Write(own);
        foreach (var (key, value) in values) Value(writer, key, value);
        var offset = 0L;
        foreach (var tensor in tensors)
        {
            Text(writer, tensor.Name);
            writer.Write(tensor.Shape.Length);
            foreach (var size in tensor.Shape.Reverse()) writer.Write(size);
            writer.Write(tensor.Type);
            writer.Write(offset);
            offset += (tensor.Bytes.Length + Alignment - 1) / Alignment * Alignment;
        }
        Pad(writer, stream);
        foreach (var tensor in tensors)
        {
            writer.Write(tensor.Bytes);
            Pad(writer, stream);
        }
        writer.Flush();
        return stream.ToArray();
    }

    private static int Find(byte[] file, string name) =>
        file.AsSpan().LastIndexOf([.. BitConverter.GetBytes((long)name.Length), .. Encoding.UTF8.GetBytes(name)]);

    private static int Type(byte[] file, StoredTensor tensor) => BitConverter.ToInt32(file,
        Find(file, tensor.Name) + 8 + tensor.Name.Length + 4 + 8 * tensor.Shape.Length);

    private static void Value(BinaryWriter writer, string key, object value)
    {
        Text(writer, key);
        writer.Write(value is string ? String : value is float ? Float32 : UInt32);
        if (value is string text) Text(writer, text);
        else if (value is float number) writer.Write(number);
        else writer.Write((uint)value);
    }

    private static void Text(BinaryWriter writer, string text)
    {
        writer.Write((long)text.Length);
        writer.Write(Encoding.UTF8.GetBytes(text));
    }

    private static void Pad(BinaryWriter writer, MemoryStream stream)
    {
        writer.Flush();
        writer.Write(new byte[(Alignment - stream.Length % Alignment) % Alignment]);
        writer.Flush();
    }
}
