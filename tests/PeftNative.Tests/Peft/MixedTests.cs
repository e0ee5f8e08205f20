using PeftNative.Models;
using PeftNative.Models.Layers;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Lora;
using PeftNative.Peft.Matching;
using PeftNative.Peft.Mixed;
using PeftNative.Tests.Models;
using Xunit;

namespace PeftNative.Tests.Peft;

public class MixedTests
{
    private static readonly string[] Mixable = ["lora", "dora", "ia3", "houlsby", "pfeiffer", "parallel"];

    public static TheoryData<string, ModelTask> Models => new()
    {
        { "gpt2", ModelTask.CausalLM }, { "gpt2", ModelTask.SequenceClassification }, { "llama", ModelTask.CausalLM },
        { "llama", ModelTask.TokenClassification }, { "bert", ModelTask.SequenceClassification },
        { "bert", ModelTask.TokenClassification },
        { "t5", ModelTask.SequenceToSequence },
    };

    [Theory]
    [MemberData(nameof(Models))]
    public void Every_row_of_a_mixed_batch_scores_as_with_its_adapter_alone(string family, ModelTask task)
    {
        foreach (var first in Mixable)
            foreach (var second in Mixable)
                CheckRows(family, task, first, second);
    }

    // Rows 0 to 2 are one sequence each, of 5, 1 and 5 tokens.
    private static void CheckRows(string family, ModelTask task, string first, string second)
    {
        using var setting = new Setting(family, task, first, second);
        setting.Disturb();
        var (one, two) = (setting.Adapters[0], setting.Adapters[1]);
        Adapter?[][] choices = [[one, null, two], [two, two, one], [null, one, one]];
        foreach (var choice in choices)
        {
            var mixed = setting.Scores(new MixedAdapters(setting.Model, choice));
            var alone = choice.Select(a => a is null ? setting.Scores() : setting.Scores(a)).ToArray();
            var width = mixed.Length / (task == ModelTask.SequenceClassification ? 3 : 11);
            for (var i = 0; i < mixed.Length; i++)
            {
                var row = i / width;
                var sequence = task == ModelTask.SequenceClassification ? row : row < 5 ? 0 : row < 6 ? 1 : 2;
                Assert.True(Math.Abs(alone[sequence][i] - mixed[i]) <= 1e-5,
                    $"{first}, {second}, row {row}: {mixed[i]}, alone {alone[sequence][i]}");
            }
        }
    }

    [Fact]
    public void The_loss_of_a_mixed_batch_is_that_of_its_rows()
    {
        using var setting = new Setting("bert", "lora", "ia3");
        setting.Disturb();
        double[] LossesWith(params AttachmentSet[] attachments)
        {
            setting.Run.Adapters = attachments;
            setting.Run.Forward(TinyModels.Batch());
            int[] labels = [2, 0, 1];
            return [.. labels.Select((_, s) => setting.Run.Loss(Targets.PerSequence(
                [.. labels.Select((label, i) => i == s ? label : Targets.Ignored)])).LossSum)];
        }
        var mixed = LossesWith(new MixedAdapters(setting.Model, [setting.Adapters[1], null, setting.Adapters[0]]));
        double[] alone = [LossesWith(setting.Adapters[1])[0], LossesWith()[1], LossesWith(setting.Adapters[0])[2]];
        for (var s = 0; s < 3; s++) Assert.Equal(alone[s], mixed[s], 1e-5);
    }

    [Theory]
    [InlineData("prompt")]
    [InlineData("prefix")]
    [InlineData("top-layers")]
    public void What_cannot_be_confined_to_rows_is_refused_with_a_reason(string method)
    {
        using var setting = new Setting("gpt2", method);
        var error = Assert.Throws<UsageException>(() => new MixedAdapters(setting.Model, [setting.Adapter, null]));
        Assert.Contains("a batch of their own", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Names_rows_and_training_are_checked()
    {
        using var setting = new Setting("gpt2", "lora");
        var known = new Dictionary<string, Adapter> { ["a"] = setting.Adapter };
        Assert.Contains("'b'",
            Assert.Throws<UsageException>(() => MixedAdapters.ByName(setting.Model, known, ["b"])).Message,
            StringComparison.Ordinal);
        var mixed = MixedAdapters.ByName(setting.Model, known, ["a", "__base__"]);
        Assert.Contains("3 sequences", Assert.Throws<UsageException>(() => setting.Scores(mixed)).Message,
            StringComparison.Ordinal);
        setting.Run.Adapters = [MixedAdapters.ByName(setting.Model, known, ["a", "__base__", "a"])];
        Assert.Throws<UsageException>(() =>
            setting.Run.Train(TinyModels.Batch(), TinyModels.Targets(setting.Model)));
        setting.Adapter.Merge();
        Assert.Contains("merged",
            Assert.Throws<UsageException>(() => new MixedAdapters(setting.Model, [setting.Adapter])).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Resident_adapters_change_places_between_steps_bit_for_bit()
    {
        using var setting = new Setting("llama", ModelTask.CausalLM, "lora", "ia3", "prompt", "prefix", "houlsby",
            "dora", "ptuning-lstm");
        setting.Disturb();
        var bare = setting.Scores();
        var alone = setting.Adapters.Select(a => setting.Scores(a)).ToArray();
        foreach (var i in (int[])[3, 0, 6, 1, 4, 2, 5, 0, 3])
        {
            Assert.Equal(alone[i], setting.Scores(setting.Adapters[i]));
            Assert.Equal(bare, setting.Scores());
        }
    }

    [Fact]
    public void Two_adapters_at_once_add_their_changes()
    {
        using var setting = new Setting("gpt2", ModelTask.CausalLM, "lora");
        setting.Add(((LoraConfig)Variants.All["lora"]) with { R = 2, Alpha = 5,
            Targets = TargetModules.Of("c_attn", "c_fc") });
        var both = setting.Scores(setting.Adapters[0], setting.Adapters[1]);
        setting.Adapters[0].Merge();
        setting.Adapters[1].Merge();
        var merged = setting.Scores();
        for (var i = 0; i < both.Length; i++) Assert.Equal(both[i], merged[i], 2e-5f);
    }
}
