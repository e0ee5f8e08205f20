using Xunit;

namespace PeftNative.Cli.Tests;

/// <summary>Conversations to learn from, and where an answer ends.</summary>
public sealed class ChatTests : IDisposable
{
    private const string Template =
        "{% if tools %}T{{ tools | length }};{% endif %}{% for m in messages %}{{ m.role[0] }}:{{ m.content }}ENDS{% endfor %}"
        + "{% if add_generation_prompt %}a:{% endif %}";

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private string ChatModel(string userEnd = ";", string assistantEnd = ";")
    {
        var model = TinyModels.Llama(folder);
        File.WriteAllText(Path.Combine(model, "chat_template.jinja"),
            Template.Replace("ENDS", $"{{{{ '{assistantEnd}' if m.role == 'assistant' else '{userEnd}' }}}}", StringComparison.Ordinal));
        return model;
    }

    [Fact]
    public void Conversations_are_trained_turn_by_turn_and_what_the_template_refuses_is_said()
    {
        var model = ChatModel();
        File.AppendAllText(Path.Combine(model, "chat_template.jinja"), "{% for m in messages if m.content == 'bad' %}{{ raise_exception('not this') }}{% endfor %}");
        var data = folder.Write("chats.jsonl", """
            {"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"aa","weight":0},{"role":"user","content":"r"},{"role":"assistant","content":"bbb"}],"tools":[{},{}]}
            {"messages":[{"role":"user","content":"bad"},{"role":"assistant","content":"a"}]}
            """);
        var shown = Command.Succeed("data", "--model", model, "--data", data, "--show", "1");
        Assert.Contains("T2;u:q;a:aa;u:r;a:⟦b⟧⟦b⟧⟦b⟧⟦;⟧⟦<|end|>⟧", shown.Out.Replace(" ", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Contains("1 records teach nothing", shown.Error, StringComparison.Ordinal);
        Assert.Contains("not this", shown.Error, StringComparison.Ordinal);
        var trained = Command.Succeed("train", "--model", model, "--data", data, "--output", folder["out"], "--max_steps", "1", "--backend", "reference");
        Assert.Contains("not this", trained.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Recorded_conversations_are_replayed_folder_by_folder()
    {
        folder.Write("chat-training/plain/chat_template.jinja", "{% for m in messages %}{{ m.role }}:{{ m.content }}|{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}");
        folder.Write("chat-training/plain/context.json", """{"variables":{}}""");
        const string Case = """
            {"name":"NAME","messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}],"kwargs":{},"examples":[{"text":"user:q|assistant:a|",
            "spans":[{"turn":1,"start":START,"end":19,"end_trimmed":19}],"answer_does_not_continue_the_prompt":[]}]}
            """;
        string Named(string name, int start) =>
            Case.Replace("NAME", name, StringComparison.Ordinal).Replace("START", $"{start}", StringComparison.Ordinal);
        folder.Write("chat-training/plain/cases.json", $"[{Named("right", 17)}]");
        var line = Assert.Single(Command.Succeed("verify", folder["chat-training"], "--json").Lines);
        Assert.Equal("""{"case":"chat-training:plain","passed":true,"checked":1,"failed":0,"first_failure":null}""", line.ToJsonString());
        Assert.Single(Command.Succeed("verify", folder.Root, "--json").Lines);

        folder.Write("chat-training/plain/cases.json", $"[{Named("right", 17)},{Named("wrong", 16)}]");
        var outcome = Command.Run("verify", folder["chat-training"], "--json");
        Assert.Equal(6, outcome.Code);
        Assert.Equal((2, 1), ((int)outcome.Lines[0]["checked"]!, (int)outcome.Lines[0]["failed"]!));
        Assert.StartsWith("wrong: ", (string)outcome.Lines[0]["first_failure"]!, StringComparison.Ordinal);
    }
}
