using PeftNative.Cli.Verify;
using PeftNative.Tokenizers.Chat;
using Xunit;

namespace PeftNative.Cli.Tests;

/// <summary>Replays what transformers rendered; the recordings lie beside the repository, not in it.</summary>
public sealed class ChatTemplateRecordedTests
{
    private static string? Recordings { get; } = FindRecordings();

    public static TheoryData<string> Folders() => Recordings is null
        ? ["(none)"]
        : [.. Directory.GetDirectories(Recordings).Select(d => Path.GetFileName(d)!).Order()];

    [Theory]
    [MemberData(nameof(Folders))]
    public void Recorded_conversations_render_to_the_same_text_and_spans(string name)
    {
        if (Recordings is null)
            Assert.Skip("No recorded chats: neither PEFTNATIVE_SHARED nor a folder 'shared' beside the repository.");
        var result = ChatTemplateVerifier.Verify(Path.Combine(Recordings, name));
        Assert.True(result.Checked > 0);
        Assert.True(result.Failed == 0, $"{result.Failed} of {result.Checked} differ. {result.FirstFailure}");
    }

    [Theory]
    [MemberData(nameof(Folders))]
    public void A_tokenizer_folder_gives_the_variables_the_recording_names(string name)
    {
        if (Recordings is null)
            Assert.Skip("No recorded chats: neither PEFTNATIVE_SHARED nor a folder 'shared' beside the repository.");
        var context =
            System.Text.Json.Nodes.JsonNode.Parse(File.ReadAllText(Path.Combine(Recordings, name, "context.json")))!;
        var folder = Path.Combine(Recordings, "..", context["tokenizer"]!.GetValue<string>());
        var template = ChatTemplate.Load(folder);
        Assert.NotNull(template);
        var recorded = context["variables"]!.AsObject().ToDictionary(v => v.Key, v => v.Value!.GetValue<string>());
        Assert.NotEmpty(template.Variables);
        Assert.All(template.Variables, v => Assert.Equal(recorded[v.Key], v.Value!.GetValue<string>()));
        // What no file names (the mask token of the gemma class) is a default of a Python class and unknown here.
        Assert.All(recorded.Keys.Where(k => k != "mask_token"), k => Assert.Contains(k, template.Variables.Keys));
    }

    [Fact]
    public void The_verifier_counts_and_describes_what_differs()
    {
        using var folder = new TemporaryFolder();
        folder.Write("chat_template.jinja", "{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}");
        folder.Write("context.json", """{"tokenizer": "t", "variables": {"bos_token": "<s>"}}""");
        folder.Write("cases.json", """
            [{"name": "same", "messages": [{"content": "x"}], "add_generation_prompt": false, "kwargs": {},
              "rendered": "<s>x", "error": null},
             {"name": "other", "messages": [{"content": "x"}], "add_generation_prompt": false, "kwargs": {},
              "rendered": "<s>y", "error": null},
             {"name": "error", "messages": [], "add_generation_prompt": false, "kwargs": {},
              "rendered": null, "error": "no"}]
            """);
        var result = ChatTemplateVerifier.Verify(folder.Root);
        Assert.Equal((3, 2), (result.Checked, result.Failed));
        Assert.Equal("other: text differs at 3: expected '<s>y', got '<s>x'", result.FirstFailure);
    }

    private static string? FindRecordings()
    {
        var shared = Environment.GetEnvironmentVariable("PEFTNATIVE_SHARED") ?? Above(AppContext.BaseDirectory)
            ?? Above(Environment.CurrentDirectory);
        var chats = shared is null ? null : Path.Combine(shared, "golden", "tokenizers", "chat");
        return Directory.Exists(chats) ? chats : null;
    }

    private static string? Above(string start)
    {
        for (var folder = new DirectoryInfo(start); folder is not null; folder = folder.Parent)
            if (Directory.Exists(Path.Combine(folder.FullName, "shared", "golden")))
                return Path.Combine(folder.FullName, "shared");
        return null;
    }
}
