using System.Text.Json.Nodes;
using PeftNative.Data;
using PeftNative.Tokenizers.Chat;
using Xunit;

namespace PeftNative.Tokenizers.Tests.Chat;

public sealed class ChatTemplateTests
{
    private static readonly Dictionary<string, JsonNode?> NoVariables = [];

    [Fact]
    public void Raise_exception_gives_the_templates_own_message()
    {
        var template = ChatTemplate.Parse("x\n{{ raise_exception('no ' ~ messages[0].role) }}", NoVariables);
        var error = Assert.Throws<DataException>(() => template.Render(Messages("""[{"role":"narrator"}]""")));
        Assert.Equal("no narrator", error.What);
        Assert.Contains("line 2", error.Where);
    }

    [Fact]
    public void Message_keys_with_a_null_value_are_removed_but_nested_nulls_stay()
    {
        var template = ChatTemplate.Parse("{{ messages[0].content is defined }} {{ messages }}", NoVariables);
        var chat = template.Render(Messages("""[{"role":"a","content":null,"calls":[{"x":null}]}]"""));
        Assert.Equal("False [{'role': 'a', 'calls': [{'x': None}]}]", chat.Text);
    }

    [Fact]
    public void Numbers_keep_their_kind()
    {
        var template = ChatTemplate.Parse("{{ messages }} {{ messages|tojson }}", NoVariables);
        var chat = template.Render(Messages("[2, 2.0, 1e-07, 1E5, -0.0, 12345678901234567890123]"));
        const string numbers = "[2, 2.0, 1e-07, 100000.0, -0.0, 12345678901234567890123]";
        Assert.Equal($"{numbers} {numbers}", chat.Text);
    }

    [Fact]
    public void Numbers_made_in_code_keep_their_kind_too()
    {
        var template = ChatTemplate.Parse("{{ messages }}", NoVariables);
        var chat = template.Render(
            [JsonValue.Create(2), JsonValue.Create(2.0), JsonValue.Create(3L), JsonValue.Create(true), "x"]);
        Assert.Equal("[2, 2.0, 3, True, 'x']", chat.Text);
    }

    [Fact]
    public void Tools_and_documents_are_none_where_they_are_not_passed()
    {
        var template =
            ChatTemplate.Parse("{{ tools }} {{ documents is none }} {{ add_generation_prompt }}", NoVariables);
        Assert.Equal("None True True", template.Render([], addGenerationPrompt: true).Text);
    }

    [Fact]
    public void Kwargs_win_over_the_tokenizers_variables_and_messages_over_both()
    {
        var variables = new Dictionary<string, JsonNode?> { ["bos_token"] = "<s>", ["x"] = 1 };
        var template = ChatTemplate.Parse("{{ bos_token }}{{ x }}{{ messages }}", variables);
        var kwargs = new JsonObject { ["x"] = 2, ["messages"] = "no" };
        Assert.Equal("<s>2[]", template.Render([], false, kwargs).Text);
    }

    [Fact]
    public void Strftime_now_reads_the_clock_it_is_given()
    {
        var clock = new FixedClock(new DateTimeOffset(2024, 7, 6, 13, 5, 0, TimeSpan.Zero));
        var template =
            ChatTemplate.Parse("{{ strftime_now('%d %b %Y|%A %j %H:%M %-d %p %y %B %e %%|%q') }}", NoVariables);
        Assert.Equal("06 Jul 2024|Saturday 188 13:05 6 PM 24 July  6 %|%q", template.WithClock(clock).Render([]).Text);
    }

    [Fact]
    public void Spans_count_utf16_and_turn_into_code_points()
    {
        var chat =
            Rendered("😀{% for m in [1, 2] %}<{% generation %}é😀{{ m }}{% endgeneration %}>{% endfor %}");
        Assert.Equal("😀<é😀1><é😀2>", chat.Text);
        Assert.Equal([(3, 7), (9, 13)], chat.AssistantSpans);
        Assert.Equal([(2, 5), (7, 10)], AssistantMask.ToCodePoints(chat.Text, chat.AssistantSpans));
    }

    [Fact]
    public void Spans_inside_macros_and_other_spans_are_placed_as_the_reference_places_them()
    {
        var nested = Rendered("{% generation %}a{% generation %}b{% endgeneration %}c{% endgeneration %}");
        Assert.Equal([(0, 1), (0, 3)], nested.AssistantSpans);
        var macro = Rendered(
            "{% macro g(x) %}pre{% generation %}{{ x }}{% endgeneration %}{% endmacro %}" +
            "start{{ g('q') }}{{ g('rr') }}");
        Assert.Equal([(5, 6), (9, 11)], macro.AssistantSpans);
    }

    [Fact]
    public void The_mask_runs_from_the_first_token_of_a_span_to_the_token_of_its_last_character()
    {
        // "ab cd ef": tokens ab, " c", "d", " ", "ef"; the span is "cd e".
        bool[] mask = AssistantMask.OfTokens([(3, 7)], [0, 2, 4, 5, 6], [2, 4, 5, 6, 8]);
        Assert.Equal([false, true, true, true, true], mask);
    }

    [Fact]
    public void Tokens_that_share_a_character_count_from_the_first_of_them()
    {
        // A character of three byte tokens: its last token is the first that contains it, as in the reference.
        Assert.Equal([false, true, false, false], AssistantMask.OfTokens([(1, 2)], [0, 1, 1, 1], [1, 2, 2, 2]));
        Assert.Equal(
            [false, true, true, true, true], AssistantMask.OfTokens([(1, 3)], [0, 1, 1, 1, 2], [1, 2, 2, 2, 3]));
    }

    [Fact]
    public void Empty_and_truncated_spans_mark_nothing_that_is_not_theirs()
    {
        Assert.Equal([false, false], AssistantMask.OfTokens([(1, 1), (9, 12)], [0, 1], [1, 2]));
        Assert.Equal([false, true], AssistantMask.OfTokens([(1, 12)], [0, 1], [1, 2]));
        Assert.Equal([false, true, false], AssistantMask.OfTokens([(0, 1)], [0, 0, 1], [0, 1, 2]));
        Assert.Empty(AssistantMask.OfTokens([(0, 1)], [], []));
    }

    [Theory]
    [InlineData("{% if x %}", "line 1")]
    [InlineData("a\n{{ 1 + }}", "line 2")]
    [InlineData("{{ missing.x }}", "'missing' is undefined")]
    [InlineData("\n\n{{ messages[0].nope.deep }}", "line 3")]
    [InlineData("{{ messages[0].nope.deep }}", "'dict object' has no attribute 'nope'")]
    [InlineData("{{ 'a' + 1 }}", "can only concatenate str")]
    [InlineData("{{ 1|nofilter }}", "No filter named 'nofilter'")]
    public void Errors_say_what_and_where(string template, string part)
    {
        var messages = Messages("""[{"role":"a"}]""");
        var error = Assert.Throws<ModelFormatException>(
            () => ChatTemplate.Parse(template, NoVariables).Render(messages));
        Assert.Contains(part, error.Message);
    }

    [Fact]
    public void A_template_beyond_its_limits_says_which_to_raise()
    {
        var limits = ChatTemplateLimits.Default with { Output = 10 };
        var error = Assert.Throws<ModelFormatException>(
            () => ChatTemplate.Parse("0123456789a", NoVariables, limits).Render(Messages("[]")));
        Assert.Contains("10 characters", error.What);
        Assert.Equal("Raise ChatTemplateLimits if you trust it.", error.Remedy);
        error = Assert.Throws<ModelFormatException>(() => ChatTemplate.Parse(
            "0123456789a", NoVariables, ChatTemplateLimits.Default with { TemplateLength = 10 }));
        Assert.Equal("Raise ChatTemplateLimits if you trust it.", error.Remedy);
    }

    [Theory]
    [InlineData("Steps", "{% for i in range(999) %}{% endfor %}")]
    [InlineData("Memory", "{{ 'x' * 999 }}")]
    [InlineData("Depth", "{{ [[[[[[[[1]]]]]]]] }}")]
    [InlineData("RangeLength", "{{ range(5)|length }}")]
    [InlineData("IntegerBits", "{{ 9999999999 * 9999999999 }}")]
    [InlineData("Nesting", "{{ ((((1)))) }}")]
    public void Every_limit_reaches_the_template(string name, string template)
    {
        var limits = name switch
        {
            "Steps" => ChatTemplateLimits.Default with { Steps = 2 },
            "Memory" => ChatTemplateLimits.Default with { Memory = 100 },
            "Depth" => ChatTemplateLimits.Default with { Depth = 3 },
            "RangeLength" => ChatTemplateLimits.Default with { RangeLength = 3 },
            "IntegerBits" => ChatTemplateLimits.Default with { IntegerBits = 16 },
            _ => ChatTemplateLimits.Default with { Nesting = 2 },
        };
        ChatTemplate.Parse(template, NoVariables).Render(Messages("[]"));
        Assert.Throws<ModelFormatException>(
            () => ChatTemplate.Parse(template, NoVariables, limits).Render(Messages("[]")));
    }

    [Fact]
    public void Half_a_surrogate_pair_in_the_messages_is_a_typed_error() => Assert.Throws<DataException>(
        () => ChatTemplate.Parse("{{ messages }}", NoVariables).Render(Messages("""[{"role":"\ud800"}]""")));

    [Fact]
    public void A_key_given_twice_in_the_messages_is_a_typed_error() => Assert.Throws<DataException>(
        () => ChatTemplate.Parse("{{ messages }}", NoVariables).Render(Messages("""[{"role":"a","role":"b"}]""")));

    [Fact]
    public void One_template_renders_on_several_threads_at_once()
    {
        var template = ChatTemplate.Parse(
            "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + m %}{% endfor %}{{ ns.n }}",
            NoVariables);
        var texts = Enumerable.Range(0, 64).AsParallel()
            .Select(i => (i, template.Render([.. Enumerable.Repeat(i, 50).Select(n => (JsonNode)n)]).Text)).ToArray();
        Assert.All(texts, t => Assert.Equal((t.i * 50).ToString(), t.Text));
    }

    private static RenderedChat Rendered(string template) => ChatTemplate.Parse(template, NoVariables).Render([]);

    private static JsonArray Messages(string json) => JsonNode.Parse(json)!.AsArray();

    private sealed class FixedClock(DateTimeOffset now) : TimeProvider
    {
        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

        public override DateTimeOffset GetUtcNow() => now;
    }
}
