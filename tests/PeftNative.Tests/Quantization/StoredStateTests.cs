using System.Text;
using PeftNative.Formats.Safetensors;
using PeftNative.Models.Loading.Stored;
using Xunit;

namespace PeftNative.Tests.Quantization;

/// <summary>The JSON beside bitsandbytes' 4-bit weights, sound and damaged.</summary>
public sealed class StoredStateTests
{
    private const string Place = "model.safetensors, tensor 'w'";

    private const string Nested = """
        {"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [144, 48], "nested_blocksize": 256,
        "nested_dtype": "float32", "nested_offset": 0.25828641653060913}
        """;

    private const string Inserted = "0123456789-+.eE{}[],:\"\\ntf";

    [Fact]
    public void What_is_written_is_what_Python_writes_and_reads_again()
    {
        var state = Read(Nested);
        Assert.Equal((64, 256, 0.25828642f, StoredType.BF16),
            (state.BlockSize, state.NestedBlockSize, state.NestedOffset, state.Dtype));
        var text = Encoding.UTF8.GetString(state.Write(144, 48));
        Assert.Equal(Nested.Replace("\n", " ").Replace("256,  ", "256, "), text);
        Assert.Equal(state, Read(text));
        Assert.Equal("""{"quant_type": "nf4", "blocksize": 32, "dtype": "float32", "shape": [144, 48]}""",
            Encoding.UTF8.GetString((state with { BlockSize = 32, Dtype = StoredType.F32, NestedBlockSize = 0 })
                .Write(144, 48)));
    }

    [Theory]
    [InlineData("\"nf4\"", "\"fp4\"", "quant_type")]
    [InlineData("\"nf4\"", "4", "quant_type")]
    [InlineData(": 64", ": 0", "blocksize")]
    [InlineData(": 64", ": 64.5", "blocksize")]
    [InlineData("bfloat16", "int8", "dtype")]
    [InlineData("[144, 48]", "[48, 144]", "shape")]
    [InlineData("[144, 48]", "[144, 48, 1]", "shape")]
    [InlineData(": 256", ": -256", "nested_blocksize")]
    [InlineData("\"float32\"", "\"float16\"", "nested_dtype")]
    [InlineData("0.25828641653060913", "1e60", "nested_offset")]
    [InlineData("0.25828641653060913", "null", "nested_offset")]
    [InlineData("nested_dtype", "nested_type", "nested_type")]
    public void A_field_that_lies_is_named_with_file_and_tensor(string old, string changed, string field)
    {
        var e = Assert.Throws<ModelFormatException>(() => Read(Nested.Replace(old, changed, StringComparison.Ordinal)));
        Assert.Contains(Place, e.Where, StringComparison.Ordinal);
        Assert.Contains($"'{field}'", e.Where, StringComparison.Ordinal);
    }

    [Fact]
    public void Ten_thousand_mutations_are_read_soundly_or_refused_with_file_and_tensor()
    {
        const int Seed = 20261201;
        var random = new Random(Seed);
        var (refused, read) = (0, 0);
        for (var i = 0; i < 10_000; i++)
        {
            var text = Mutate(Encoding.UTF8.GetBytes(Nested), random);
            try
            {
                var state = BitsandbytesState.Read(text, Place, "nf4", 144, 48);
                Assert.InRange(state.BlockSize, 1, 1 << 24);
                Assert.InRange(state.NestedBlockSize, 0, 1 << 24);
                Assert.True(float.IsFinite(state.NestedOffset), $"seed {Seed}, mutation {i}");
                Assert.Equal("nf4", state.Type);
                read++;
            }
            catch (ModelFormatException e)
            {
                Assert.Contains(Place, e.Where, StringComparison.Ordinal);
                refused++;
            }
        }
        Assert.True(refused > 8_000 && read > 100, $"seed {Seed}: {refused} refused, {read} read");
    }

    private static BitsandbytesState Read(string text) =>
        BitsandbytesState.Read(Encoding.UTF8.GetBytes(text), Place, "nf4", 144, 48);

    private static byte[] Mutate(byte[] text, Random random)
    {
        var bytes = text.ToList();
        for (var n = random.Next(1, 4); n > 0; n--)
        {
            var at = random.Next(bytes.Count);
            switch (random.Next(6))
            {
                case 0: bytes[at] ^= (byte)(1 << random.Next(8)); break;
                case 1: bytes[at] = (byte)random.Next(256); break;
                case 2: bytes.RemoveAt(at); break;
                case 3: bytes.Insert(at, (byte)Inserted[random.Next(Inserted.Length)]); break;
                case 4: bytes.RemoveRange(at, Math.Min(random.Next(1, 20), bytes.Count - at)); break;
                default:
                    bytes.InsertRange(at, [.. bytes.Skip(random.Next(bytes.Count)).Take(random.Next(1, 30))]);
                    break;
            }
            if (bytes.Count == 0) bytes.Add(0);
        }
        return [.. bytes];
    }
}
