using Xunit;

namespace PeftNative.Cli.Tests;

/// <summary>Settings of conversations: variables and date of the template, what is trained, rows.</summary>
public sealed class ConversationSettingTests : IDisposable
{
    private const string Turns = "{% for m in messages %}{{ m.role[0] }}:{{ m.content }};{% endfor %}"
        + "{% if add_generation_prompt %}a:{% endif %}";

    private readonly TemporaryFolder folder = new();
    private readonly string model, data;

    public ConversationSettingTests()
    {
        model = TinyModels.Llama(folder);
        data = folder.Write("chats.jsonl", string.Concat(Enumerable.Range(0, 8).Select(i =>
            $$"""{"messages":[{"role":"user","content":"{{i}}"},{"role":"assistant","content":"n{{i}}"}]}""" + "\n")));
    }

    public void Dispose() => folder.Dispose();

    private void Template(string text) => File.WriteAllText(Path.Combine(model, "chat_template.jinja"), text);

    private string[] Train(params string[] more) =>
        ["train", "--model", model, "--data", data, "--output", folder["out"], "--max_steps", "2", "--backend",
            "reference", .. more];

    private string Shown(params string[] more) =>
        Command.Succeed(["data", "--model", model, "--data", data, "--show", "1", .. more]).Out;

    private string Spaceless(params string[] more) => Shown(more).Replace(" ", "", StringComparison.Ordinal);

    [Fact]
    public void A_run_that_goes_on_another_day_keeps_its_date()
    {
        Template("{{ strftime_now('%Y-%m-%d') }};" + Turns);
        Command.Succeed(Train("--save_steps", "1", "--chat_template_date", "2001-02-03T04:05:06"));
        var config = Path.Combine(folder["out"], "config.resolved.yaml");
        Assert.Contains("2001-02-03T04:05:06", File.ReadAllText(config), StringComparison.Ordinal);
        var adapter = File.ReadAllBytes(Path.Combine(folder["out"], "adapter_model.safetensors"));
        File.Delete(Path.Combine(folder["out"], "summary.json")); // as if it had been ended

        // Today is another day than that of the run.
        Command.Succeed(Train("--save_steps", "1"));
        Assert.Equal(adapter, File.ReadAllBytes(Path.Combine(folder["out"], "adapter_model.safetensors")));
        Command.Succeed(Train("--resume", Path.Combine(folder["out"], "checkpoint-1")));
        Assert.Contains("no date", Command.Fail(2, Train("--resume", "never", "--chat_template_date", "soon")),
            StringComparison.Ordinal);
        Assert.Contains("2002", Spaceless("--chat_template_date", "2002-01-01"), StringComparison.Ordinal);
    }

    [Fact]
    public void The_date_is_written_down_where_the_template_reads_it()
    {
        Template("{{ strftime_now('%Y') }};" + Turns);
        Command.Succeed(Train());
        var config = Path.Combine(folder["out"], "config.resolved.yaml");
        Assert.Contains($"chat_template_date: \"{DateTime.Now.Year}", File.ReadAllText(config),
            StringComparison.Ordinal);
        Template(Turns);
        Command.Succeed(Train("--resume", "never"));
        Assert.DoesNotContain("chat_template_date", File.ReadAllText(config), StringComparison.Ordinal);
    }

    [Fact]
    public void Variables_of_the_template_come_from_flag_and_file()
    {
        Template("{% if think is defined and think is false %}quick;{% else %}slow;{% endif %}" + Turns);
        Assert.Contains("quick;", Spaceless("--chat_template_kwargs", """{"think": false}"""),
            StringComparison.Ordinal);
        Assert.Contains("quick;", Spaceless("--chat_template_kwargs", "think=false"), StringComparison.Ordinal);
        var yaml = folder.Write("c.yaml", "chat_template_kwargs:\n  think: false\n");
        Assert.Contains("quick;", Spaceless("--config", yaml), StringComparison.Ordinal);
        Assert.Contains("slow;", Spaceless(), StringComparison.Ordinal);
    }

    [Fact]
    public void Only_what_the_template_marks_is_trained_where_that_is_asked()
    {
        Template("{% for m in messages %}{{ m.role[0] }}:{% generation %}{% if m.role == 'assistant' %}{{ m.content }}"
            + "{% endif %}{% endgeneration %};{% endfor %}{% if add_generation_prompt %}a:{% endif %}");
        Assert.Contains("⟦n⟧⟦0⟧⟦;⟧", Spaceless(), StringComparison.Ordinal);
        Assert.Contains("⟦n⟧⟦0⟧;", Spaceless("--assistant_only_loss"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("bfd")]
    [InlineData("bfd_split")]
    [InlineData("wrapped")]
    public void Rows_are_packed_as_their_strategy_says(string strategy)
    {
        Template(Turns);
        foreach (var preparation in (string[])["own", "trl"])
        {
            var said = Command.Succeed(Train("--packing", "--packing_strategy", strategy, "--max_seq_length", "20",
                "--preparation", preparation, "--resume", "never")).Out;
            Assert.Contains("packed rows", said, StringComparison.Ordinal);
        }
        Assert.Contains("without --packing", Command.Fail(2, Train("--packing_strategy", strategy)),
            StringComparison.Ordinal);
    }

    [Fact]
    public void Records_become_what_TRL_makes_of_them_where_that_is_asked()
    {
        Template(Turns);
        Assert.Contains("u⟦:⟧⟦0⟧⟦;⟧⟦a⟧⟦:⟧⟦n⟧⟦0⟧⟦;⟧", Spaceless("--preparation", "trl"),
            StringComparison.Ordinal);
        Assert.Contains("no effect", Command.Fail(2, Train("--preparation", "trl", "--alternate_turns")),
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"prompt":"q","chosen":"a","rejected":"b"}""", "completion=chosen", "Preference")]
    [InlineData("""
        {"chosen":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}],
        """ + """ "rejected":[{"role":"user","content":"q"},{"role":"assistant","content":"b"}]}""",
        "messages=chosen", "Preference")]
    [InlineData("""{"prompt":"q","completion":"b","label":false}""", "prompt_completion", "UnpairedPreference")]
    public void Answers_that_are_compared_are_shown_and_not_trained_together(string line, string remedy, string shape)
    {
        Template(Turns);
        var file = folder.Write("pairs.jsonl", line.ReplaceLineEndings("") + "\n");
        var json = Command.Succeed("data", "--model", model, "--data", file, "--json").Lines[0];
        Assert.Equal(shape, (string?)json["shape"]);
        Assert.Equal(shape == "Preference" ? 2 : 1, (int?)json["examples"]);
        var error = Command.Run("train", "--model", model, "--data", file, "--output", folder["p"]);
        Assert.Equal(2, error.Code);
        Assert.Contains(remedy, error.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_left_out_and_what_has_no_use_is_named()
    {
        Template(Turns);
        var file = folder.Write("a.jsonl", """
            {"conversations":[{"from":"human","value":"q"},{"from":"gpt","value":"a"}],"mood":"good"}
            {"conversations":[{"from":"human","value":"q"}]}
            {"conversations":[]}

            """);
        var json = Command.Succeed("data", "--model", model, "--data", file, "--json").Lines[0];
        Assert.Equal("conversations", (string?)json["columns"]!["messages"]);
        Assert.Equal(2, json["left_out"]!.AsArray().Count);
        Assert.Contains(json["warnings"]!.AsArray(), w => ((string)w!).Contains("mood", StringComparison.Ordinal));
    }
}
