using System.Text.Json.Nodes;
using Xunit;

namespace PeftNative.Cli.Tests;

/// <summary>Conversations to learn from, and where an answer ends.</summary>
public sealed class ChatTests : IDisposable
{
    private const string Template =
        "{% if tools %}T{{ tools | length }};{% endif %}{% for m in messages %}{{ m.role[0] }}:{{ m.content }}ENDS{% "
        + "endfor %}"
        + "{% if add_generation_prompt %}a:{% endif %}";

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private string ChatModel(string userEnd = ";", string assistantEnd = ";")
    {
        var model = TinyModels.Llama(folder);
        File.WriteAllText(Path.Combine(model, "chat_template.jinja"),
            Template.Replace("ENDS", $"{{{{ '{assistantEnd}' if m.role == 'assistant' else '{userEnd}' }}}}",
                StringComparison.Ordinal));
        return model;
    }

    [Theory]
    // config.json names 256
    [InlineData("tokenizer_config.json", """{"eos_token":"X","tokenizer_class":"PreTrainedTokenizerFast"}""")]
    [InlineData("generation_config.json", """{"eos_token_id":[255,ID]}""")]
    [InlineData("chat_template.jinja",
        "{% for m in messages %}{{ m.role[0] }}:{{ m.content }}{{ 'X' if m.role == 'assistant' else ';' }}{% endfor "
        + "%}{{ 'a:' if add_generation_prompt }}")]
    public void An_answer_ends_where_any_file_says_so(string file, string content)
    {
        var model = ChatModel();
        string Answer(int seed)
        {
            string[] chat = ["chat", "--model", model, "--max_tokens", "16", "--temperature", "1", "--seed", $"{seed}",
                "--json", "--backend", "reference"];
            return (string)Command.RunWith("hi\n", chat).Lines[0]["answer"]!;
        }
        // A letter that the model says after some others.
        var (seed, free, at) = Enumerable.Range(1, 20).Select(s => (s, Answer(s)))
            .Select(a => (a.s, a.Item2, a.Item2.AsSpan(1).IndexOfAnyInRange('a', 'z') + 1)).First(a => a.Item3 > 0);
        Assert.DoesNotContain(free[at], free[..at]);
        File.WriteAllText(Path.Combine(model, file), content.Replace("X", $"{free[at]}", StringComparison.Ordinal)
            .Replace("ID", $"{(int)free[at]}", StringComparison.Ordinal));
        Assert.Equal(free[..at], Answer(seed));
    }

    [Fact]
    public void Variables_of_the_template_reach_it()
    {
        string[] chat = ["chat", "--model", ChatModel(), "--max_tokens", "1", "--json", "--backend", "reference"];
        int Length(params string[] more) =>
            (int)Command.RunWith("hi\nyou\n", [.. chat, .. more]).Lines[^1]["prompt_tokens"]!;
        Assert.Equal(Length() + "T2;".Length, Length("--chat_template_kwargs", """{"tools": [1, 2]}"""));
    }

    [Fact]
    public void A_text_ends_at_the_special_token_of_the_chat_template()
    {
        var model = ChatModel();
        File.WriteAllText(Path.Combine(model, "tokenizer_config.json"),
            """{"tokenizer_class":"PreTrainedTokenizerFast"}""");
        var tokenizer = JsonNode.Parse(File.ReadAllText(Path.Combine(model, "tokenizer.json")))!;
        string Generate() => (string)Command.Succeed(
            "generate", "--model", model, "--prompt", "hi", "--max_tokens", "16", "--temperature", "1", "--seed", "3",
            "--json", "--backend", "reference").Lines[0]["text"]!;
        var free = Generate();
        var at = free.AsSpan(1).IndexOfAnyInRange('A', 'z') + 1;
        Assert.True(at > 0 && !free[..at].Contains(free[at], StringComparison.Ordinal), free);
        tokenizer["added_tokens"]!.AsArray().Add(new JsonObject
        {
            ["id"] = (int)free[at], ["content"] = $"{free[at]}", ["single_word"] = false, ["lstrip"] = false,
            ["rstrip"] = false, ["normalized"] = false,
            ["special"] = true,
        });
        File.WriteAllText(Path.Combine(model, "tokenizer.json"), tokenizer.ToJsonString());
        File.WriteAllText(Path.Combine(model, "chat_template.jinja"),
            $"{{% for m in messages %}}{{{{ m.content }}}}{free[at]}{{% endfor %}}");
        Assert.Equal(free[..at], Generate());
    }

    [Fact]
    public void Conversations_are_trained_turn_by_turn_and_what_the_template_refuses_is_said()
    {
        var model = ChatModel();
        File.AppendAllText(Path.Combine(model, "chat_template.jinja"),
            "{% for m in messages if m.content == 'bad' %}{{ raise_exception('not this') }}{% endfor %}");
        const string FirstTurns = """{"role":"user","content":"q"},{"role":"assistant","content":"aa","weight":0}""";
        const string LastTurns = """{"role":"user","content":"r"},{"role":"assistant","content":"bbb"}""";
        var data = folder.Write("chats.jsonl", $$"""
            {"messages":[{{FirstTurns}},{{LastTurns}}],"tools":[{},{}]}
            {"messages":[{"role":"user","content":"bad"},{"role":"assistant","content":"a"}]}
            """);
        var shown = Command.Succeed("data", "--model", model, "--data", data, "--show", "1");
        Assert.Contains("T2;u:q;a:aa;u:r;a:⟦b⟧⟦b⟧⟦b⟧⟦;⟧⟦<|end|>⟧", shown.Out.Replace(" ", "", StringComparison.Ordinal),
            StringComparison.Ordinal);
        Assert.Contains("1 records teach nothing", shown.Error, StringComparison.Ordinal);
        Assert.Contains("not this", shown.Error, StringComparison.Ordinal);
        var trained = Command.Succeed("train", "--model", model, "--data", data, "--output", folder["out"],
            "--max_steps", "1", "--backend", "reference");
        Assert.Contains("not this", trained.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Recorded_conversations_are_replayed_folder_by_folder()
    {
        folder.Write("chat-training/plain/chat_template.jinja",
            "{% for m in messages %}{{ m.role }}:{{ m.content }}|{% endfor %}{% if add_generation_prompt "
                + "%}assistant:{% endif %}");
        folder.Write("chat-training/plain/context.json", """{"variables":{}}""");
        const string Case = """
            {"name":"NAME","messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}],"kwargs":{},
            "examples":[{"text":"user:q|assistant:a|",
            "spans":[{"turn":1,"start":START,"end":19,"end_trimmed":19}],"answer_does_not_continue_the_prompt":[]}]}
            """;
        string Named(string name, int start) =>
            Case.Replace("NAME", name, StringComparison.Ordinal).Replace("START", $"{start}", StringComparison.Ordinal);
        folder.Write("chat-training/plain/cases.json", $"[{Named("right", 17)}]");
        var line = Assert.Single(Command.Succeed("verify", folder["chat-training"], "--json").Lines);
        Assert.Equal("""{"case":"chat-training:plain","passed":true,"checked":1,"failed":0,"first_failure":null}""",
            line.ToJsonString());
        Assert.Single(Command.Succeed("verify", folder.Root, "--json").Lines);

        folder.Write("chat-training/plain/cases.json", $"[{Named("right", 17)},{Named("wrong", 16)}]");
        var outcome = Command.Run("verify", folder["chat-training"], "--json");
        Assert.Equal(6, outcome.Code);
        Assert.Equal((2, 1), ((int)outcome.Lines[0]["checked"]!, (int)outcome.Lines[0]["failed"]!));
        Assert.StartsWith("wrong: ", (string)outcome.Lines[0]["first_failure"]!, StringComparison.Ordinal);
    }
}
