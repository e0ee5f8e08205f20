using PeftNative.Tests.Peft;
using Xunit;

namespace PeftNative.Ilgpu.Tests;

/// <summary>Training gives the same bits again, with every method.</summary>
public sealed class RepeatabilityTests(Emulation emulation) : IClassFixture<Emulation>
{
    public static TheoryData<string> Methods => [.. TrainedBits.Methods];

    [Theory]
    [MemberData(nameof(Methods))]
    public void Training_gives_the_same_bits_again(string method)
    {
        var expected = TrainedBits.Of(emulation.Backend, TrainedBits.Toy, method, steps: 2, length: 5);
        Assert.All(expected, value => Assert.True(float.IsFinite(value)));
        Assert.Equal(expected, TrainedBits.Of(emulation.Backend, TrainedBits.Toy, method, steps: 2, length: 5));
    }
}
