using PeftNative.Formats;
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
        using var stored = TensorFiles.Open(file);
        var tensor = stored.Get("t." + format.Name());
        Assert.Equal(format, tensor.Block);
        var (rows, columns) = ((int)tensor.Shape[0], (int)tensor.Shape[1]);
        var blocks = stored.Bytes(tensor);
        using var truth = SafetensorsFile.Open(Path.ChangeExtension(file, "safetensors"));
        var expected = new float[rows * columns];
        truth.ReadAs(truth.Get("dequantized." + format.Name()), expected);

        using var backend = BackendOrSkip.Create(name);
        using var arena = new Arena(backend, "test");
        var codes = arena.Allocate(DType.Int8, rows, blocks.Length / rows);
        backend.Upload(blocks, codes);
        var y = arena.Allocate(DType.Float32, rows, columns);
        backend.Forward(new DequantizeOp { Format = format, Codes = codes, Y = y });
        Assert.Equal(expected, HostValues.Download(backend, y));
    }
}
