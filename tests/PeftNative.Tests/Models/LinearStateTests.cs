using PeftNative.Models.Layers;
using Xunit;

namespace PeftNative.Tests.Models;

/// <summary>
/// What attachments of one linear layer keep is their own, and takes no new memory from step to step.
/// </summary>
public class LinearStateTests
{
    [Fact]
    public void Each_attachment_keeps_its_own()
    {
        var (first, second, state) = (new Nothing(), new Nothing(), new LinearState());
        state.Of<Kept>(first).Value = 1;
        state.Of<Kept>(second).Value = 2;
        Assert.Equal((1, 2), (state.Of<Kept>(first).Value, state.Of<Kept>(second).Value));
    }

    [Fact]
    public void A_new_forward_takes_over_what_is_there_whoever_asks_for_it()
    {
        var (first, second, state) = (new Nothing(), new Nothing(), new LinearState());
        var kept = state.Of<Kept>(first);
        state.Begin(null!);
        Assert.Same(kept, state.Of<Kept>(second));
        Assert.NotSame(kept, state.Of<Kept>(first));
        state.Begin(null!);
        Assert.IsType<Other>(state.Of<Other>(first)); // another kind of attachment
    }

    private sealed class Nothing : ILinearAttachment
    {
        public void BeforeForward(Pass pass, LinearState state)
        {
        }
    }

    private sealed class Kept
    {
        public int Value { get; set; }
    }

    private sealed class Other;
}
