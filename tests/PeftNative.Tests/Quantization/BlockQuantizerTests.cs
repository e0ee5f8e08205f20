using PeftNative.Backends.Reference;
using PeftNative.Determinism;
using PeftNative.Ops;
using PeftNative.Quantization;
using PeftNative.Tensors;
using Xunit;

namespace PeftNative.Tests.Quantization;

public sealed class BlockQuantizerTests(ITestOutputHelper output) : IDisposable
{
    private readonly ReferenceBackend backend = ReferenceBackend.Create(DType.Float32);

    public static TheoryData<QuantizationType, bool, int, int, int> Cases
    {
        get
        {
            var cases = new TheoryData<QuantizationType, bool, int, int, int>();
            foreach (var type in Enum.GetValues<QuantizationType>())
                foreach (var isDouble in (bool[])[false, true])
                    foreach (var (rows, columns, block) in (ReadOnlySpan<(int, int, int)>)[(7, 75, 64), (42, 42, 64),
                        (3, 5, 32), (64, 256, 64), (1, 1, 2)])
                        cases.Add(type, isDouble, rows, columns, block);
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Every_element_becomes_the_nearest_value_of_its_block(QuantizationType type, bool isDouble, int rows,
        int columns, int block)
    {
        var options = new QuantizationOptions { Type = type, DoubleQuantization = isDouble, BlockSize = block };
        var values = Normal(rows * columns);
        var quantizer = new BlockQuantizer(options, rows, columns);
        for (var start = 0; start < values.Length; start += quantizer.BlockSize) // in the smallest parts
            quantizer.Add(values.AsSpan(start, Math.Min(quantizer.BlockSize, values.Length - start)));
        var matrix = quantizer.Finish();
        var result = Dequantized(matrix, rows, columns);
        var maxima = BlockQuantizer.Maxima(matrix);
        float[] book = type == QuantizationType.Int8 ? [.. Enumerable.Range(-127, 255).Select(i => i / 127f)]
            : matrix.Book;
        for (var e = 0; e < values.Length; e++)
        {
            var part = values.AsSpan(e / quantizer.BlockSize * quantizer.BlockSize);
            var exact = part[..Math.Min(quantizer.BlockSize, part.Length)].ToArray().Max(MathF.Abs);
            var best = book.Min(code => Math.Abs((double)code * exact - values[e]));
            var code = result[e] / maxima[e / quantizer.BlockSize];
            Assert.True(Math.Abs((double)code * exact - values[e]) <= best + 1e-6,
                $"element {e}: {values[e]} became {result[e]}");
        }
    }

    [Fact]
    public void The_errors_are_those_that_the_codes_allow_and_zero_stays_zero()
    {
        const int Size = 256;
        var values = Normal(Size * Size);
        values[5] = 0;
        double Error(QuantizationType type, bool isDouble = false)
        {
            var quantizer = new BlockQuantizer(new QuantizationOptions { Type = type, DoubleQuantization = isDouble },
                Size, Size);
            quantizer.Add(values);
            var result = Dequantized(quantizer.Finish(), Size, Size);
            Assert.Equal(0, result[5]);
            var error = Math.Sqrt(values.Zip(result).Sum(p => Math.Pow(p.First - p.Second, 2))
                / values.Sum(v => (double)v * v));
            output.WriteLine(
                $"{type}{(isDouble ? ", double" : "")}: root mean square error {error:0.0000} of normal numbers");
            return error;
        }
        var (nf4, fp4, int8) = (Error(QuantizationType.Nf4), Error(QuantizationType.Fp4), Error(QuantizationType.Int8));
        Assert.InRange(nf4, 0.08, 0.1);
        Assert.InRange(fp4, nf4, 0.13);
        Assert.InRange(int8, 0, 0.01);
        Assert.InRange(Error(QuantizationType.Nf4, isDouble: true), nf4 - 1e-3, nf4 + 2e-3);
    }

    [Theory]
    [InlineData(1.7711505889892578f, -1.5021063089370728f, 0, 1)]
    [InlineData(1.7711505889892578f, -0.08063165843486786f, 6, 7)]
    [InlineData(1.7711505889892578f, 0.2129901498556137f, 9, 8)]
    public void Whole_blocks_are_multiplied_by_the_reciprocal_and_the_short_one_is_divided(
        float maximum, float value, int whole, int @short)
    {
        // The value lies so near the middle of two codes that the two roundings take different ones.
        var quantizer = new BlockQuantizer(new QuantizationOptions { Type = QuantizationType.Nf4, BlockSize = 4 }, 1,
            7);
        quantizer.Add([maximum, value, 0, 0, maximum, value, 0]);
        var codes = quantizer.Finish().Codes;
        Assert.Equal([0xF0 | whole, 0x77, 0xF0 | @short, 0x77], codes.Select(c => (int)c));
    }

    [Theory]
    [InlineData(-0.9859424829483032f, 1)]
    [InlineData(0.2546774744987488f, 202)]
    [InlineData(0.2546824812889099f, 202)]
    [InlineData(0.3249899744987488f, 207)]
    [InlineData(1e-7f, 131)]
    public void Maxima_become_the_code_of_the_nearest_of_65536_steps(float share, int code)
    {
        // Maxima with a mean of 2 of which the first of its kind is 1 away from it, and one the share of that.
        float[] maxima = [2 + share, 2 - share, 3, 1];
        var options = new QuantizationOptions { Type = QuantizationType.Nf4, DoubleQuantization = true, BlockSize = 2 };
        var quantizer = new BlockQuantizer(options, 4, 2);
        quantizer.Add([.. maxima.SelectMany(m => (float[])[m, 0])]);
        Assert.Equal(code, quantizer.Finish().MaximaCodes![0]);
    }

    [Fact]
    public void Blocks_of_an_odd_size_are_refused()
    {
        var options = new QuantizationOptions { BlockSize = 63 };
        Assert.Contains("63", Assert.Throws<UsageException>(() => options.Validate(backend)).Message,
            StringComparison.Ordinal);
    }

    public void Dispose() => backend.Dispose();

    private static float[] Normal(int count)
    {
        var values = new float[count];
        new RandomStream(11, RandomPurpose.Test, (ulong)count).FillNormal(values);
        return values;
    }

    private float[] Dequantized(QuantizedMatrix matrix, int rows, int columns)
    {
        using var arena = new Arena(backend, "test");
        var y = arena.Allocate(DType.Float32, rows, columns);
        ((IBackend)backend).Forward(QuantizedUpload.ToBackend(backend, arena, matrix).Op with { Y = y });
        return HostValues.Download(backend, y);
    }
}
