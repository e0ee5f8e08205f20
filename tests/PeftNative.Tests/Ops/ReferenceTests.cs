using PeftNative.Backends.Reference;
using PeftNative.Ops;
using PeftNative.Tensors;
using Xunit;

namespace PeftNative.Tests.Ops;

/// <summary>What the reference is built from, against published values.</summary>
public sealed class ReferenceTests
{
    [Theory]
    [InlineData(0.1, 0.1124629160182849)]
    [InlineData(0.5, 0.5204998778130465)]
    [InlineData(1, 0.8427007929497149)]
    [InlineData(1.9999, 0.9953201979070294)]
    [InlineData(2, 0.9953222650189527)]
    [InlineData(2.5, 0.999593047982555)]
    [InlineData(-1, -0.8427007929497149)]
    public void The_error_function_is_accurate(double x, double expected) =>
        Assert.True(Math.Abs(ErrorFunction.Erf(x) - expected) <= 4e-16, $"{ErrorFunction.Erf(x):r}");

    [Theory]
    [InlineData(1, 0.15729920705028513)]
    [InlineData(2, 0.004677734981047265)]
    [InlineData(3, 2.2090496998585438e-05)]
    [InlineData(5, 1.5374597944280351e-12)]
    [InlineData(10, 2.088487583762545e-45)]
    public void The_complementary_error_function_is_accurate_in_the_tail(double x, double expected) =>
        Assert.True(Math.Abs(ErrorFunction.Erfc(x) / expected - 1) <= 1e-14, $"{ErrorFunction.Erfc(x):r}");

    [Theory]
    [InlineData(0, 0)]
    [InlineData(-7, 7)]
    [InlineData(-8, 8)]
    [InlineData(-16, 10)]
    [InlineData(-32, 12)]
    [InlineData(-63, 13)]
    [InlineData(-64, 14)]
    [InlineData(-1000, 15)]
    [InlineData(1, 17)]
    [InlineData(64, 30)]
    public void Relative_buckets_of_an_encoder(int distance, int bucket) =>
        Assert.Equal(bucket, RelativeBuckets.Of(distance, 32, 128, true));

    [Theory]
    [InlineData(3, 0)]
    [InlineData(-15, 15)]
    [InlineData(-16, 16)]
    [InlineData(-32, 21)]
    [InlineData(-127, 31)]
    [InlineData(-500, 31)]
    public void Relative_buckets_of_a_decoder(int distance, int bucket) =>
        Assert.Equal(bucket, RelativeBuckets.Of(distance, 32, 128, false));

    [Theory]
    [InlineData(1.0, 0x3f80)]
    [InlineData(1.00390625, 0x3f80)] // a tie goes to the even neighbour
    [InlineData(1.01171875, 0x3f82)]
    [InlineData(1.00390625000001, 0x3f81)] // no tie, though binary32 cannot tell
    [InlineData(-1.00390625000001, 0xbf81)]
    [InlineData(1.01171874999999, 0x3f81)]
    [InlineData(double.PositiveInfinity, 0x7f80)]
    [InlineData(1e39, 0x7f80)]
    [InlineData(0.0, 0)]
    public void Bfloat16_is_rounded_once(double value, int bits) => Assert.Equal(bits, Elements.ToBFloat16(value));

    [Fact]
    public void Memory_that_is_not_there_is_a_resource_error()
    {
        using var backend = ReferenceBackend.Create(DType.Float32);
        var error = Assert.Throws<ResourceException>(() => backend.Allocate(1L << 60, "activations"));
        Assert.Contains("activations", error.Message);
    }

    [Fact]
    public void It_does_not_compute_in_integers() =>
        Assert.Throws<UsageException>(() => ReferenceBackend.Create(DType.Int32));
}
