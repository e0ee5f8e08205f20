using System.Text.Json.Nodes;
using PeftNative.Cli.Verify;
using PeftNative.Lab.Verification;
using PeftNative.Tests;
using Xunit;

namespace PeftNative.Cli.Tests;

/// <summary>Recorded conversations with what is trained of them.</summary>
public class ChatTrainingRecordedTests
{
    [Theory]
    [InlineData("alternate", 10)]
    [InlineData("channels", 10)]
    [InlineData("plain", 10)]
    [InlineData("system_last", 10)]
    [InlineData("think", 13)]
    [InlineData("think_open", 10)]
    [InlineData("tools", 10)]
    public void Every_turn_is_trained_in_the_context_in_which_it_is_asked_for(string name, int cases)
    {
        var folder = SharedFolder.PathOrSkip($"recorded/chat-training/{name}");
        Assert.True(ChatTrainingVerifier.Knows(folder));
        Assert.Equal(new VerificationResult(name, cases, 0, null), ChatTrainingVerifier.Verify(folder));
    }

    [Fact]
    public void A_recording_that_says_otherwise_is_a_failure()
    {
        var folder = Directory.CreateTempSubdirectory("peftnative-chat-");
        try
        {
            File.WriteAllText(Path.Combine(folder.FullName, "context.json"), """{"variables":{}}""");
            File.WriteAllText(Path.Combine(folder.FullName, "chat_template.jinja"),
                "{% for m in messages %}{{ m.role + ':' + m.content + '|' }}{% endfor %}{% if add_generation_prompt "
                    + "%}assistant:{% endif %}");
            Assert.Null(Verify(folder.FullName, _ => { }));
            Assert.Contains("text differs", Verify(folder.FullName, e => e["text"] = "user:🌲|assistant:b|"),
                StringComparison.Ordinal);
            Assert.Contains("expected turn 1 at 18", Verify(folder.FullName, e => e["spans"]![0]!["start"] = 18),
                StringComparison.Ordinal);
            Assert.Contains("expected turn 3", Verify(folder.FullName, e => e["spans"]![0]!["turn"] = 3),
                StringComparison.Ordinal);
            Assert.Contains("do not continue",
                Verify(folder.FullName, e => e["answer_does_not_continue_the_prompt"] = new JsonArray(1)),
                StringComparison.Ordinal);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static string? Verify(string folder, Action<JsonNode> change)
    {
        var cases = JsonNode.Parse("""
            [{"name":"n","messages":[{"role":"user","content":"🌲"},{"role":"assistant","content":"a"}],"kwargs":{},
              "examples":[{"text":"user:🌲|assistant:a|","spans":[{"turn":1,"start":17,"end":19,"end_trimmed":19}],
                           "answer_does_not_continue_the_prompt":[]}]}]
            """)!;
        change(cases[0]!["examples"]![0]!);
        File.WriteAllText(Path.Combine(folder, "cases.json"), cases.ToJsonString());
        return ChatTrainingVerifier.Verify(folder).FirstFailure;
    }
}
