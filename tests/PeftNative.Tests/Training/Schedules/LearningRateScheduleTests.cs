using System.Text.Json.Nodes;
using PeftNative.Lab.Verification;
using PeftNative.Training.Schedules;
using Xunit;

namespace PeftNative.Tests.Training.Schedules;

public class LearningRateScheduleTests
{
    [Fact]
    public void Every_recorded_rate_of_transformers_is_matched()
    {
        var result = ScheduleVerifier.Verify(SharedFolder.PathOrSkip("golden/training/schedules.json"));
        Assert.True(result.Passed, result.FirstFailure);
        Assert.True(result.Checked >= 400, $"only {result.Checked} rates were compared");
    }

    [Theory]
    [InlineData("constant", 0, 3e-4)]
    [InlineData("constant_with_warmup", 2, 1.5e-4)]
    [InlineData("linear", 4, 3e-4)]
    [InlineData("linear", 16, 0.75e-4)]
    [InlineData("linear", 20, 0)]
    [InlineData("cosine", 12, 1.5e-4)]
    [InlineData("cosine", 20, 0)]
    [InlineData("polynomial", 12, (3e-4 + 1e-7) / 2)]
    [InlineData("inverse_sqrt", 16, 1.5e-4)]
    public void Rates_follow_the_formula(string name, long step, double expected) =>
        Assert.Equal(expected, LearningRateSchedule.Create(name, 3e-4, 4, 20).Rate(step), 15);

    [Theory]
    [InlineData("linear", "linear", 2, 0.5, 17, 0.5)]
    [InlineData("cosine", "linear", 1, 0.14644660940672627, 18, 0.25)]
    [InlineData("1-sqrt", "1-sqrt", 3, 0.5, 17, 0.29289321881345254)]
    public void Warmup_stable_decay_has_three_ramps(
        string warmup, string decay, long early, double earlyRate, long late, double lateRate)
    {
        var arguments = new ScheduleArguments { NumDecaySteps = 4, WarmupType = warmup, DecayType = decay };
        var schedule = LearningRateSchedule.Create("warmup_stable_decay", 1, 4, 19, arguments);
        Assert.Equal(earlyRate, schedule.Rate(early), 12);
        Assert.Equal(1, schedule.Rate(10));
        Assert.Equal(lateRate, schedule.Rate(late), 12);
        Assert.Equal(0, schedule.Rate(19));
    }

    [Fact]
    public void Minimum_rate_can_be_given_as_a_rate_or_a_share()
    {
        var rate = LearningRateSchedule.Create(
            "cosine_with_min_lr", 1e-3, 0, 10, new ScheduleArguments { MinLr = 1e-4 });
        var share = LearningRateSchedule.Create(
            "cosine_with_min_lr", 1e-3, 0, 10, new ScheduleArguments { MinLrRate = 0.1 });
        Assert.Equal(share.Rate(7), rate.Rate(7), 15);
        Assert.Equal(1e-4, rate.Rate(10), 15);
    }

    [Theory]
    [InlineData("linar", "There is no learning rate schedule 'linar'")]
    [InlineData("cosine_with_min_lr", "exactly one of min_lr and min_lr_rate")]
    [InlineData("warmup_stable_decay", "needs num_decay_steps")]
    public void Impossible_settings_are_named(string name, string message) =>
        Assert.Contains(
            message, Assert.Throws<UsageException>(() => LearningRateSchedule.Create(name, 1e-3, 0, 10)).Message);

    [Fact]
    public void Impossible_values_are_named()
    {
        static string Error(Action make) => Assert.Throws<UsageException>(make).Message;
        Assert.Contains("learning rate", Error(() => LearningRateSchedule.Create("linear", double.NaN, 0, 10)));
        Assert.Contains("warmup_steps", Error(() => LearningRateSchedule.Create("linear", 1, -1, 10)));
        Assert.Contains("at least one step", Error(() => LearningRateSchedule.Create("linear", 1, 0, 0)));
        Assert.Contains("lr_end", Error(() => LearningRateSchedule.Create("polynomial", 1e-8, 0, 10)));
        Assert.Contains("longer than the run", Error(() => LearningRateSchedule.Create(
            "warmup_stable_decay", 1, 5, 10, new ScheduleArguments { NumDecaySteps = 6 })));
        Assert.Contains("timescale", Error(() => LearningRateSchedule.Create(
            "inverse_sqrt", 1, 5, 10, new ScheduleArguments { Timescale = 0 })));
        Assert.Contains("'num_cycle'", Error(() => ScheduleArguments.FromJson(new JsonObject { ["num_cycle"] = 2 })));
        Assert.Contains(
            "must be a number", Error(() => ScheduleArguments.FromJson(new JsonObject { ["power"] = "2" })));
        Assert.Contains("warmup_ratio", Error(() => LearningRateSchedule.WarmupSteps(1.5, 10)));
    }

    [Fact]
    public void A_warmup_share_is_rounded_up() => Assert.Equal(16, LearningRateSchedule.WarmupSteps(0.06, 252));

    [Fact]
    public void A_wrong_recorded_rate_is_found()
    {
        var path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, """
                [{"name":"linear","learning_rate":1.0,"warmup_steps":0,"total_steps":4,"rates":[1.0,0.75,0.51,0.25]},
                 {"name":"sawtooth","learning_rate":1.0,"warmup_steps":0,"total_steps":4,"rates":[1.0]}]
                """);
            var result = ScheduleVerifier.Verify(path);
            Assert.Equal((5, 2), (result.Checked, result.Failed));
            Assert.Contains("linear, warm-up 0, step 2", result.FirstFailure);
            File.WriteAllText(path, """[{"name":"linear"}]""");
            Assert.Throws<DataException>(() => ScheduleVerifier.Verify(path));
            File.WriteAllText(path, "[");
            Assert.Throws<DataException>(() => ScheduleVerifier.Verify(path));
        }
        finally
        {
            File.Delete(path);
        }
    }
}
