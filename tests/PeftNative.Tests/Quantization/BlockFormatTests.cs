using System.Text;
using PeftNative.Backends;
using PeftNative.Formats.Safetensors;
using PeftNative.Ops;
using PeftNative.Tensors;
using Xunit;

namespace PeftNative.Tests.Quantization;

/// <summary>Blocks as ggml's files have them, against the recorded values.</summary>
public sealed class BlockFormatTests
{
    public static TheoryData<string, BlockFormat> Formats
    {
        get
        {
            var data = new TheoryData<string, BlockFormat>();
            foreach (var format in Enum.GetValues<BlockFormat>())
                if (format != BlockFormat.None)
                    foreach (var name in (string[])["reference", "cpu"]) data.Add(name, format);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Values_are_those_of_ggml_to_the_last_bit(string name, BlockFormat format)
    {
        var file = SharedFolder.PathOrSkip("recorded/gguf/types.gguf");
        var type = format switch
        {
            BlockFormat.Iq4Nl => "IQ4_NL",
            BlockFormat.Iq4Xs => "IQ4_XS",
            BlockFormat.Mxfp4 => "MXFP4",
            _ => format.ToString(),
        };
        var (columns, rows, blocks) = Read(File.ReadAllBytes(file), "t." + type, format);
        using var truth = SafetensorsFile.Open(Path.ChangeExtension(file, "safetensors"));
        var expected = new float[rows * columns];
        truth.ReadAs(truth.Get("dequantized." + type), expected);

        using var backend = BackendFactory.Create(name);
        using var arena = new Arena(backend, "test");
        var codes = arena.Allocate(DType.Int8, rows, blocks.Length / rows);
        backend.Upload(blocks, codes);
        var y = arena.Allocate(DType.Float32, rows, columns);
        backend.Forward(new DequantizeOp { Format = format, Codes = codes, Y = y });
        Assert.Equal(expected, HostValues.Download(backend, y));
    }

    // As much of a GGUF file's layout as finds a tensor by its name.
    private static (int Columns, int Rows, byte[] Blocks) Read(byte[] file, string name, BlockFormat format)
    {
        var at = FindLast(file, [.. BitConverter.GetBytes((long)name.Length), .. Encoding.UTF8.GetBytes(name)]);
        at += 8 + name.Length;
        Assert.Equal(2, BitConverter.ToInt32(file, at));
        var (columns, rows) = ((int)BitConverter.ToInt64(file, at + 4), (int)BitConverter.ToInt64(file, at + 12));
        Assert.Equal((int)format, BitConverter.ToInt32(file, at + 20));
        var bytes = rows * columns / format.Elements() * format.Bytes();
        var start = file.Length - DataLength(file) + (int)BitConverter.ToInt64(file, at + 24);
        return (columns, rows, file[start..(start + bytes)]);
    }

    // The first tensor's bytes begin the data; they follow the last tensor's description, at a multiple of 32.
    private static int DataLength(byte[] file)
    {
        using var truth = SafetensorsFile.Open(
            Path.ChangeExtension(SharedFolder.PathOrSkip("recorded/gguf/types.gguf"), "safetensors"));
        var end = truth.Tensors.Select(t => t.Name).Where(n => n.StartsWith("dequantized.", StringComparison.Ordinal))
            .Select(n => "t." + n["dequantized.".Length..])
            .Select(n => FindLast(file, [.. BitConverter.GetBytes((long)n.Length), .. Encoding.UTF8.GetBytes(n)])
                + 8 + n.Length + 4 + 16 + 4 + 8).Max();
        return file.Length - (end + 31) / 32 * 32;
    }

    private static int FindLast(byte[] file, byte[] part) => file.AsSpan().LastIndexOf(part);
}
