using Xunit;

namespace PeftNative.Cli.Tests;

/// <summary>The command with a person at the keyboard: on a pseudo-terminal, where a pipe would not tell.</summary>
public sealed class KeyboardTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_conversation_waits_for_what_is_typed()
    {
        using var screen = Screen.Open("chat", "--model", ChatModel(), "--max_tokens", "3", "--backend", "reference");
        screen.WaitFor("> ");
        Assert.False(screen.HasEnded);
        screen.Type("hi\n");
        screen.WaitFor("> ", times: 2);
        screen.Type("/nonsense\n");
        screen.WaitFor("/reset forgets", times: 2); // it has read a second line
        screen.Type("/exit\n");
        Assert.Equal(0, screen.ExitCode());
    }

    [Theory]
    [InlineData("> ")]
    [InlineData("loading")] // before anything reads it
    public void The_end_of_what_is_typed_ends_a_conversation(string shown)
    {
        using var screen = Screen.Open("chat", "--model", ChatModel(), "--max_tokens", "3", "--backend", "reference");
        screen.WaitFor(shown);
        screen.Type("\u0004");
        Assert.Equal(0, screen.ExitCode());
    }

    [Fact]
    public void Without_a_prompt_nobody_is_kept_waiting()
    {
        using var screen = Screen.Open("generate", "--model", TinyModels.Llama(folder), "--backend", "reference");
        Assert.Equal(2, screen.ExitCode());
        screen.WaitFor("There is no prompt.");
    }

    [Fact]
    public void A_conversation_that_waits_can_be_broken_off()
    {
        using var screen = Screen.Open("chat", "--model", ChatModel(), "--backend", "reference");
        screen.WaitFor("> ");
        screen.Interrupt();
        Assert.Equal(130, screen.ExitCode());
    }

    private string ChatModel()
    {
        var model = TinyModels.Llama(folder);
        File.WriteAllText(Path.Combine(model, "chat_template.jinja"),
            "{% for m in messages %}{{ m.role[0] }}:{{ m.content }};{% endfor %}{% if add_generation_prompt %}a:{% "
                + "endif %}");
        return model;
    }
}
