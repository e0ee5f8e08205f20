using PeftNative.Inference;
using Xunit;

namespace PeftNative.Tests.Inference;

public class SamplerTests
{
    private static int[] Draws(GenerationOptions options, float[] scores, int count = 400, int sequence = 0)
    {
        var sampler = new Sampler(options, sequence);
        return [.. Enumerable.Range(0, count).Select(_ => sampler.Pick([.. scores]))];
    }

    private static readonly float[] Scores = [1, 3, 2, 3, -1];

    [Fact]
    public void Without_temperature_the_best_token_is_taken_and_ties_go_to_the_smaller_id() =>
        Assert.All(Draws(new GenerationOptions(), Scores, 5), token => Assert.Equal(1, token));

    [Fact]
    public void Tokens_come_as_often_as_their_probabilities_say()
    {
        float[] scores = [MathF.Log(0.5f), MathF.Log(0.3f), MathF.Log(0.2f)];
        var draws = Draws(new GenerationOptions { Temperature = 1, Seed = 11 }, scores, 4000);
        double[] expected = [0.5, 0.3, 0.2];
        for (var token = 0; token < 3; token++)
            Assert.InRange(draws.Count(d => d == token) / 4000.0, expected[token] - 0.03, expected[token] + 0.03);
    }

    [Fact]
    public void The_same_seed_draws_the_same_and_sequences_differ()
    {
        var options = new GenerationOptions { Temperature = 1, Seed = 3 };
        Assert.Equal(Draws(options, Scores), Draws(options, Scores));
        Assert.NotEqual(Draws(options, Scores), Draws(options, Scores, sequence: 1));
        Assert.NotEqual(Draws(options, Scores), Draws(options with { Seed = 4 }, Scores));
    }

    [Theory]
    [InlineData(2, 1, 0, new[] { 1, 3 })]             // the two best
    [InlineData(0, 0.5, 0, new[] { 1, 3 })]           // e^3 each of 2 e^3 + e^2 + e + 1/e: 0.40 twice
    [InlineData(0, 0.3, 0, new[] { 1 })]              // the first alone has 0.40; of equals the smaller id
    [InlineData(0, 1, 0.3, new[] { 1, 2, 3 })]        // e^2 / e^3 = 0.37, e / e^3 = 0.14
    [InlineData(0, 1, 1, new[] { 1, 3 })]
    [InlineData(3, 1, 0.1, new[] { 1, 2, 3 })]
    public void Limits_leave_exactly_the_tokens_they_should(int topK, double topP, double minP, int[] expected)
    {
        var options = new GenerationOptions { Temperature = 1, TopK = topK, TopP = topP, MinP = minP, Seed = 5 };
        Assert.Equal(expected, Draws(options, Scores).Distinct().Order());
    }

    [Fact]
    public void A_repetition_penalty_divides_positive_and_multiplies_negative_scores_once()
    {
        var sampler = new Sampler(new GenerationOptions { RepetitionPenalty = 2 });
        sampler.See([0, 0, 2]);
        float[] scores = [4, 1.5f, -1, -1.5f];
        Assert.Equal(0, sampler.Pick(scores));
        Assert.Equal([2, 1.5f, -2, -1.5f], scores);
        float[] next = [2.9f, 1.5f, -1, -1.5f];
        Assert.Equal(1, sampler.Pick(next)); // 2.9 / 2 < 1.5
        float[] last = [2.9f, 2.9f, -1, -1.5f];
        Assert.Equal(0, sampler.Pick(last)); // 1 was picked, so it is punished from now on, too
    }

    [Fact]
    public void Options_that_make_no_sense_are_refused_by_name()
    {
        Assert.Contains("TopP", Assert.Throws<UsageException>(new GenerationOptions { TopP = 0 }.Validate).Message,
            StringComparison.Ordinal);
        Assert.Contains("MinP", Assert.Throws<UsageException>(new GenerationOptions { MinP = 2 }.Validate).Message,
            StringComparison.Ordinal);
        Assert.Contains("Temperature",
            Assert.Throws<UsageException>(new GenerationOptions { Temperature = double.NaN }.Validate).Message,
            StringComparison.Ordinal);
        Assert.Throws<UsageException>(new GenerationOptions { Stop = ["a", ""] }.Validate);
    }
}
