using PeftNative.Inference;
using Xunit;

namespace PeftNative.Tests.Inference;

public class StopTextsTests
{
    private static string Through(StopTexts stop, string text, int size) =>
        string.Concat(text.Chunk(size).Select(piece => stop.Push(new string(piece)))) + stop.Close();

    [Theory]
    [InlineData("one\nUser: two", "one")]
    [InlineData("one\nUse no two", "one\nUse no two")]
    [InlineData("one\n\nUser:", "one\n")]
    [InlineData("one##", "one")]
    [InlineData("a#", "a#")]
    [InlineData("", "")]
    public void A_text_ends_before_its_first_stop_text_however_it_is_cut(string text, string expected)
    {
        for (var size = 1; size <= Math.Max(1, text.Length); size++)
            Assert.Equal(expected, Through(new StopTexts(["\nUser:", "##"]), text, size));
    }

    [Fact]
    public void What_cannot_become_a_stop_text_is_given_out_at_once()
    {
        var stop = new StopTexts(["abc"]);
        Assert.Equal("x", stop.Push("xa"));
        Assert.Equal("a", stop.Push("a")); // the first a cannot begin "abc" any more
        Assert.Equal("", stop.Push("b"));
        Assert.Equal("", stop.Push("cd"));
        Assert.True(stop.IsReached);
        Assert.Equal("", stop.Push("more"));
    }
}
