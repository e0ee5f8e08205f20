using System.Runtime.InteropServices;
using System.Text;
using PeftNative.Formats.Storage;
using PeftNative.Tensors;

namespace PeftNative.Formats.Gguf;

/// <summary>A matrix of a GGUF file.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Rows">Rows.</param>
/// <param name="Columns">Columns; elements of a row lie side by side.</param>
/// <param name="Values">The elements, row by row.</param>
internal sealed record GgufTensor(string Name, int Rows, int Columns, float[] Values);

/// <summary>
/// Writes GGUF files, version 3, as llama.cpp reads them: keys with values, then tensors in fp32 or fp16, each at a
/// multiple of 32 bytes. Used by one thread at a time.
/// </summary>
internal sealed class GgufWriter
{
    private const int Version = 3, Alignment = 32;
    private const uint Float32Value = 6, StringValue = 8, Float32Tensor = 0, Float16Tensor = 1;

    private readonly List<(string Key, object Value)> values = [];
    private readonly List<GgufTensor> tensors = [];

    /// <summary>Adds a text.</summary>
    public void Add(string key, string value) => values.Add((key, value));

    /// <summary>Adds a number, stored as float32.</summary>
    public void Add(string key, float value) => values.Add((key, value));

    /// <summary>Adds a tensor.</summary>
    public void Add(GgufTensor tensor) => tensors.Add(tensor);

    /// <summary>Writes the file under a temporary name and renames it.</summary>
    /// <param name="path">The file.</param>
    /// <param name="half">Whether tensors are stored in fp16 instead of fp32.</param>
    /// <exception cref="StorageException">It cannot be written.</exception>
    /// <exception cref="NumericException">
    /// A tensor has values that are not finite, or not in fp16; nothing is written.
    /// </exception>
    public void Write(string path, bool half) => AtomicFile.Write(path, stream =>
    {
        using var writer = new BinaryWriter(stream, Encoding.UTF8, leaveOpen: true);
        var position = WriteHeader(writer, half);
        Pad(writer, position);
        foreach (var tensor in tensors)
        {
            var bytes = Bytes(tensor, half);
            writer.Write(bytes);
            Pad(writer, bytes.Length);
        }
    });

    // Returns the header's length.
    private long WriteHeader(BinaryWriter target, bool half)
    {
        using var buffer = new MemoryStream();
        using (var writer = new BinaryWriter(buffer, Encoding.UTF8, leaveOpen: true))
        {
            writer.Write("GGUF"u8);
            writer.Write(Version);
            writer.Write((long)tensors.Count);
            writer.Write((long)values.Count);
            foreach (var (key, value) in values) WriteValue(writer, key, value);
            var offset = 0L;
            foreach (var tensor in tensors)
            {
                WriteText(writer, tensor.Name);
                writer.Write(2); // dimensions, the one that runs fastest first
                writer.Write((long)tensor.Columns);
                writer.Write((long)tensor.Rows);
                writer.Write(half ? Float16Tensor : Float32Tensor);
                writer.Write(offset);
                var bytes = (long)tensor.Rows * tensor.Columns * (half ? 2 : 4);
                offset += (bytes + Alignment - 1) / Alignment * Alignment;
            }
        }
        target.Write(buffer.GetBuffer().AsSpan(0, (int)buffer.Length));
        return buffer.Length;
    }

    private static void WriteValue(BinaryWriter writer, string key, object value)
    {
        WriteText(writer, key);
        if (value is float number)
        {
            writer.Write(Float32Value);
            writer.Write(number);
        }
        else
        {
            writer.Write(StringValue);
            WriteText(writer, (string)value);
        }
    }

    private static void WriteText(BinaryWriter writer, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        writer.Write((long)bytes.Length);
        writer.Write(bytes);
    }

    private static byte[] Bytes(GgufTensor tensor, bool half)
    {
        var type = half ? DType.Float16 : DType.Float32;
        if (!Finite.All(tensor.Values) || !Finite.Fit(tensor.Values, type))
            throw new NumericException($"The tensor has values that {type.Name()} does not hold; nothing is written.",
                tensor.Name,
                half ? "Write it with --outtype f32." : Finite.Remedy);
        return half ? MemoryMarshal.AsBytes<Half>(Array.ConvertAll(tensor.Values, v => (Half)v)).ToArray()
            : MemoryMarshal.AsBytes<float>(tensor.Values).ToArray();
    }

    private static void Pad(BinaryWriter writer, long written) =>
        writer.Write(new byte[(Alignment - written % Alignment) % Alignment]);
}
