using PeftNative.Backends;
using Xunit;

namespace PeftNative.Tests.Peft;

/// <summary>
/// Training is a function of its inputs: the same bits in every repetition, and for any number of threads. Backends of
/// other assemblies have the same test beside theirs.
/// </summary>
[Trait("Pace", "slow")]
public class RepeatabilityTests
{
    public static TheoryData<string, string> Cases => new(
        from family in TrainedBits.Wide.Keys from method in TrainedBits.Methods select (family, method));

    [Theory]
    [MemberData(nameof(Cases))]
    public void Training_gives_the_same_bits_again_and_for_any_number_of_threads(string family, string method)
    {
        var backends = BackendFactory.Survey().Where(b => b.IsAvailable && b.Name is "cpu" or "reference")
            .Select(b => b.Name).ToList();
        Assert.NotEmpty(backends);
        foreach (var name in backends)
        {
            var expected = Train(name, 1);
            Assert.All(expected, value => Assert.True(float.IsFinite(value)));
            int[] others = name == "cpu" ? [1, 2, 3] : [1];
            foreach (var threads in others) Assert.Equal(expected, Train(name, threads));
        }

        float[] Train(string name, int threads)
        {
            using var backend = BackendFactory.Create(name, threads: threads);
            return TrainedBits.Of(backend, TrainedBits.Wide[family], method);
        }
    }
}
