using System.Buffers.Binary;
using PeftNative.Formats;
using PeftNative.Formats.Gguf;
using PeftNative.Formats.Safetensors;
using Xunit;

namespace PeftNative.Tests.Formats;

/// <summary>GGUF files: the recorded ones to the last bit, damaged ones refused where they are damaged.</summary>
public sealed class GgufTests
{
    private const int Mutations = 10_000, Seed = 20261201;

    private static string Types => SharedFolder.PathOrSkip("recorded/gguf/types.gguf");

    [Fact]
    public void Every_type_has_the_recorded_values_also_in_parts()
    {
        using var file = TensorFiles.Open(Types);
        using var truth = SafetensorsFile.Open(Path.ChangeExtension(Types, "safetensors"));
        Assert.Equal(16, file.Tensors.Length);
        foreach (var tensor in file.Tensors)
        {
            var expected = truth.Get("dequantized." + tensor.Name[2..]);
            Assert.Equal(expected.Shape, tensor.Shape);
            var values = Read(truth, expected);
            Assert.Equal(values, Read(file, tensor));
            var part = new float[33];
            file.ReadAs(tensor, part, 29);
            Assert.Equal(values[29..62], part);
        }
    }

    [Fact]
    public void Types_that_are_not_read_are_refused_by_name()
    {
        var path = SharedFolder.PathOrSkip("recorded/gguf/types-rare.gguf");
        Assert.Contains("IQ2_XXS", Assert.Throws<ModelFormatException>(() => TensorFiles.Open(path)).What,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_cut_at_any_byte_is_refused()
    {
        var bytes = File.ReadAllBytes(Types);
        var whole = GgufHeader.Parse(bytes, bytes.Length, "whole");
        var end = whole.DataStart + whole.Tensors[^1].End; // what follows may be padding
        for (var length = 0; length < end; length++)
            Assert.Throws<ModelFormatException>(
                () => GgufHeader.Parse(bytes.AsSpan(0, length), length, "cut"));
    }

    [Fact]
    public void Damaged_files_are_read_inside_their_bytes_or_refused_with_the_place()
    {
        var folder = Path.GetDirectoryName(Types)!;
        byte[][] corpus =
        [
            File.ReadAllBytes(Types),
            .. Directory.GetFiles(Path.Combine(folder, "models"), "*.gguf", SearchOption.AllDirectories)
                .Order(StringComparer.Ordinal).Take(3).Select(f => File.ReadAllBytes(f)),
        ];
        var random = new Random(Seed);
        var refused = 0;
        for (var i = 0; i < Mutations; i++)
        {
            var bytes = Mutate(random, corpus[random.Next(corpus.Length)]);
            try
            {
                var header = GgufHeader.Parse(bytes, bytes.Length, "mutated");
                Assert.All(header.Tensors, t => Assert.InRange(header.DataStart + t.End, 0, bytes.Length));
            }
            catch (ModelFormatException e)
            {
                refused++;
                Assert.Contains("field '", e.Where, StringComparison.Ordinal);
            }
        }
        Assert.InRange(refused, Mutations / 10, Mutations);
    }

    [Theory]
    [InlineData("array nests", 200)]
    [InlineData("array is long", 0)]
    public void Arrays_that_lie_are_refused_soon(string what, int depth)
    {
        var bytes = new List<byte>([.. "GGUF"u8, 3, 0, 0, 0, .. new byte[8], 1, .. new byte[7]]);
        bytes.AddRange([1, .. new byte[7], (byte)'k', 9, 0, 0, 0]);
        for (var i = 0; i < depth; i++) bytes.AddRange([9, 0, 0, 0, 1, .. new byte[7]]);
        bytes.AddRange([4, 0, 0, 0, .. BitConverter.GetBytes(ulong.MaxValue / 4)]);
        var error = Assert.Throws<ModelFormatException>(
            () => GgufHeader.Parse(bytes.ToArray(), bytes.Count, what));
        Assert.Contains("field 'k'", error.Where, StringComparison.Ordinal);
    }

    [Fact]
    public void A_key_or_a_tensor_that_is_there_twice_is_refused()
    {
        var bytes = File.ReadAllBytes(Types);
        var name = bytes.AsSpan().IndexOf("t.Q4_1"u8);
        bytes[name + 5] = (byte)'0';
        var error = Assert.Throws<ModelFormatException>(() => GgufHeader.Parse(bytes, bytes.Length, "twice"));
        Assert.Contains("'t.Q4_0' is there twice", error.What, StringComparison.Ordinal);
    }

    // Most changes strike the header; numbers that are read as sizes are the dangerous ones.
    private static byte[] Mutate(Random random, byte[] original)
    {
        var bytes = (byte[])original.Clone();
        var header = Math.Min(bytes.Length, 4096);
        for (var n = random.Next(1, 4); n > 0; n--)
        {
            var at = random.Next(random.Next(4) == 0 ? bytes.Length : header) & ~3;
            switch (random.Next(5))
            {
                case 0: bytes[at] ^= (byte)(1 << random.Next(8)); break;
                case 1: bytes[at] = (byte)random.Next(256); break;
                case 2 when at + 8 <= bytes.Length:
                    BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(at), (ulong)random.NextInt64(-9, 1L << 40));
                    break;
                case 3 when at + 4 <= bytes.Length:
                    BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(at), random.Next(-1, 42));
                    break;
                default:
                    if (random.Next(8) == 0) return bytes[..at];
                    bytes[at] ^= 0xff;
                    break;
            }
        }
        return bytes;
    }

    private static float[] Read(TensorFile file, StoredTensor tensor)
    {
        var values = new float[tensor.ElementCount];
        file.ReadAs(tensor, values);
        return values;
    }
}
