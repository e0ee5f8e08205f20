using PeftNative.Tests.Peft;
using Xunit;

namespace PeftNative.Cuda.Tests;

/// <summary>
/// Training gives the same bits again, with every method, as single operations and as graphs, and in whatever order the
/// emulated device runs its threads.
/// </summary>
public sealed class RepeatabilityTests
{
    public static TheoryData<string> Methods => [.. TrainedBits.Methods];

    [Theory]
    [MemberData(nameof(Methods))]
    public void Training_gives_the_same_bits_as_graphs_and_in_every_order_of_threads(string method)
    {
        using var backend = Emulator.Open();
        try
        {
            var expected = Train("forward", withGraphs: false);
            Assert.All(expected, value => Assert.True(float.IsFinite(value)));
            foreach (var (schedule, withGraphs) in ((string, bool)[])[("forward", true),
                ("random", false)]) Assert.Equal(expected, Train(schedule, withGraphs));
        }
        finally
        {
            Emulator.SetSchedule("forward");
        }

        float[] Train(string schedule, bool withGraphs)
        {
            Emulator.SetSchedule(schedule);
            return TrainedBits.Of(backend, TrainedBits.Toy, method, steps: 3, length: 5, withGraphs);
        }
    }
}
