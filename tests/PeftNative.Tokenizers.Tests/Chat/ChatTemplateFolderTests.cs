using System.Text.Json.Nodes;
using PeftNative.Tokenizers.Chat;
using Xunit;

namespace PeftNative.Tokenizers.Tests.Chat;

public sealed class ChatTemplateFolderTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("chat-template-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_folder_without_a_template_gives_null()
    {
        Assert.Null(ChatTemplate.Load(_folder));
        Write("tokenizer_config.json", """{"bos_token": "<s>"}""");
        Assert.Null(ChatTemplate.Load(_folder));
    }

    [Fact]
    public void The_template_of_tokenizer_config_sees_its_special_tokens()
    {
        Write("tokenizer_config.json", """
            {"chat_template": "{{ bos_token }}{{ eos_token }}{{ pad_token is defined }}{{ image_token }}",
             "bos_token": {"content": "<s>", "lstrip": false}, "eos_token": "</s>", "pad_token": null,
             "extra_special_tokens": {"image_token": "<image>"}}
            """);
        Assert.Equal("<s></s>False<image>", Render());
    }

    [Fact]
    public void Special_tokens_map_fills_in_what_tokenizer_config_lacks()
    {
        Write("tokenizer_config.json", """
            {"chat_template": "{{ bos_token }}{{ eos_token }}{{ unk_token }}", "bos_token": "<s>", "unk_token": null}
            """);
        Write("special_tokens_map.json", """
            {"bos_token": "<old>", "eos_token": {"content": "</s>"}, "unk_token": "<unk>"}
            """);
        Assert.Equal("<s></s>", Render());
    }

    [Fact]
    public void A_jinja_file_wins_over_tokenizer_config()
    {
        Write("tokenizer_config.json", """{"chat_template": "old", "eos_token": "</s>"}""");
        Write("chat_template.jinja", "new{{ eos_token }}\n");
        Assert.Equal("new</s>", Render());
    }

    [Fact]
    public void An_older_chat_template_json_is_read()
    {
        Write("chat_template.json", """{"chat_template": "from json"}""");
        Assert.Equal("from json", Render());
    }

    [Fact]
    public void Of_named_templates_tool_use_is_taken_where_tools_are_passed()
    {
        Write("tokenizer_config.json", """
            {"chat_template": [
               {"name": "default", "template": "plain"}, {"name": "tool_use", "template": "tools {{ tools|length }}"}]}
            """);
        var template = ChatTemplate.Load(_folder)!;
        Assert.Equal("plain", template.Render([]).Text);
        Assert.Equal("tools 1", template.Render([], false, new JsonObject { ["tools"] = new JsonArray("a") }).Text);
    }

    [Fact]
    public void A_tool_use_file_beside_the_jinja_file_is_taken_where_tools_are_passed()
    {
        Write("chat_template.jinja", "plain");
        Directory.CreateDirectory(Path.Combine(_folder, "additional_chat_templates"));
        Write(Path.Combine("additional_chat_templates", "tool_use.jinja"), "with tools");
        Assert.Equal(
            "with tools",
            ChatTemplate.Load(_folder)!.Render([], false, new JsonObject { ["tools"] = new JsonArray() }).Text);
    }

    [Fact]
    public void A_template_of_another_name_is_taken_where_it_is_named()
    {
        Write("tokenizer_config.json", """
            {"chat_template": [{"name": "rag", "template": "r"}, {"name": "tool_use", "template": "t"}]}
            """);
        var template = ChatTemplate.Load(_folder)!;
        Assert.Equal("r", template.Render([], false, new JsonObject { ["chat_template"] = "rag" }).Text);
        Assert.Equal("t", template.Render([], false, new JsonObject { ["tools"] = new JsonArray("a") }).Text);
        var error = Assert.Throws<UsageException>(() => template.Render([]));
        Assert.Contains("rag, tool_use", error.Remedy);
        Assert.Contains("tokenizer_config.json", error.Where);
    }

    [Fact]
    public void Files_beside_the_jinja_file_win_over_tokenizer_config_and_have_names()
    {
        Write("tokenizer_config.json", """{"chat_template": "old"}""");
        Directory.CreateDirectory(Path.Combine(_folder, "additional_chat_templates"));
        Write(Path.Combine("additional_chat_templates", "rag.jinja"), "r");
        var template = ChatTemplate.Load(_folder)!;
        Assert.Throws<UsageException>(() => template.Render([]));
        Assert.Equal("r", template.Render([], false, new JsonObject { ["chat_template"] = "rag" }).Text);
    }

    [Fact]
    public void A_broken_template_is_found_where_it_is_used()
    {
        Write("tokenizer_config.json", """
            {"chat_template": [{"name": "default", "template": "d"}, {"name": "tool_use", "template": "{% if %}"}]}
            """);
        var template = ChatTemplate.Load(_folder)!;
        Assert.Equal("d", template.Render([]).Text);
        Assert.Throws<ModelFormatException>(
            () => template.Render([], false, new JsonObject { ["tools"] = new JsonArray("a") }));
    }

    [Theory]
    [InlineData("{ not json")]
    [InlineData("[]")]
    [InlineData("""{"chat_template": 5}""")]
    [InlineData("""{"chat_template": []}""")]
    [InlineData("""{"chat_template": "{% if %}"}""")]
    public void A_broken_folder_is_a_typed_error_that_names_the_file(string config)
    {
        Write("tokenizer_config.json", config);
        var error = Assert.Throws<ModelFormatException>(() => ChatTemplate.Load(_folder));
        Assert.Contains("tokenizer_config.json", error.Where);
    }

    private string Render() => ChatTemplate.Load(_folder)!.Render([]).Text;

    private void Write(string name, string text) => File.WriteAllText(Path.Combine(_folder, name), text);
}
