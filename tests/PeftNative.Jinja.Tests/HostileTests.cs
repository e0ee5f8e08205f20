using System.Diagnostics;
using System.Text.Json.Nodes;
using Xunit;

namespace PeftNative.Jinja.Tests;

/// <summary>
/// A template cannot hang, exhaust memory, overflow the stack or reach outside: each try ends in a typed error, soon.
/// </summary>
public sealed class HostileTests
{
    private const string Doubling =
        "{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}";

    [Theory]
    // Time
    [InlineData("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}")]
    [InlineData("{% for a in range(99999) %}{{ range(99999)|sum }}{% endfor %}")]
    [InlineData("{% for a in range(99999) %}{{ range(99999)|map('string')|list|length }}{% endfor %}")]
    [InlineData("{% for a in range(99999) %}{{ 99999 in range(99999)|list }}{% endfor %}")]
    [InlineData("{% set s = 'a' * 9999999 %}{% for a in range(99999) %}{{ s.count('ab') }}{% endfor %}")]
    [InlineData("{% set s = 'a' * 9999999 %}{% for a in range(99999) %}{{ s == s ~ 'b' }}{{ s|length }}{% endfor %}")]
    [InlineData("{% set s = 'a' * 999999 %}{% set d = {s: 1} %}{% for a in range(99999) %}{{ d[s] }}{% endfor %}")]
    [InlineData(
        "{% set s = 'a' * 9999999 %}{% for a in range(99999) %}" +
        "{{ s.strip('b')[5] }}{{ s.isalpha() }}{% endfor %}")]
    [InlineData("{% set n = 3 ** 5000 %}{% for a in range(99999) %}{{ n * n // n % 7 }}{% endfor %}")]
    [InlineData("{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}")]
    [InlineData("{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(60) }}")]
    // Memory
    [InlineData("{{ 'x' * 10000000000 }}")]
    [InlineData("{{ [1] * 10000000000 }}")]
    [InlineData("{{ 'x'|center(2000000000) }}")]
    [InlineData("{{ 'x'.ljust(2000000000) }}")]
    [InlineData("{{ 'x'.zfill(2000000000) }}")]
    [InlineData("{{ '\\t'.expandtabs(2000000000) }}")]
    [InlineData("{{ 'a\\nb'|indent(2000000000) }}")]
    [InlineData("{{ [1]|tojson(indent=2000000000) }}")]
    [InlineData("{{ '%2000000000d' % 1 }}")]
    [InlineData("{{ '%*d' % (2000000000, 1) }}")]
    [InlineData("{{ '%.2000000000f' % 1.5 }}")]
    [InlineData("{{ '{:2000000000}'.format(1) }}")]
    [InlineData("{{ '{:.99999f}'.format(1.5) }}")]
    [InlineData("{{ [1]|batch(2000000000, 0)|list }}")]
    [InlineData("{{ [1]|slice(2000000000)|list }}")]
    [InlineData("{{ range(99999999999) }}")]
    [InlineData("{{ range(100001)|list }}")]
    [InlineData("{{ 10 ** (10 ** 10) }}")]
    [InlineData("{{ 7 ** 99999 }}")]
    [InlineData("{% set ns = namespace(n=3) %}{% for i in range(99) %}{% set ns.n = ns.n * ns.n %}{% endfor %}")]
    [InlineData(Doubling)]
    [InlineData("{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}")]
    [InlineData(
        "{% set ns = namespace(x='a') %}{% for i in range(99) %}{% set ns.x = ns.x.replace('a', 'aaaa') %}" +
        "{% endfor %}")]
    [InlineData(
        "{% set ns = namespace(x='a') %}{% for i in range(99) %}{% set ns.x = ns.x.join([ns.x, ns.x]) %}" +
        "{% endfor %}")]
    [InlineData(
        "{% for a in range(99999) %}{% for b in range(99999) %}xxxxxxxxxxxxxxxxxxxxxxxxxxxx{% endfor %}" +
        "{% endfor %}")]
    [InlineData("{% set s = 'a' * 9999999 %}{{ s|list|length }}")]
    [InlineData("{% set s = 'a' * 9999999 %}{{ s.split('a')|length }}")]
    [InlineData("{% set s = 'a' * 9999999 %}{{ s.rsplit('a')|length }}")]
    [InlineData("{% set s = 'a' * 9999999 %}{{ s|wordwrap(1) }}")]
    [InlineData("{% set s = '<' * 9999999 %}{{ s|urlencode }}{{ s|forceescape|length }}{{ s ~ s ~ s ~ s ~ s }}")]
    // Depth
    [InlineData("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}")]
    [InlineData(
        "{% macro f() %}{% call f() %}{{ caller() }}{% endcall %}{{ caller() }}{% endmacro %}{% call f() %}" +
        "{% endcall %}")]
    [InlineData("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}")]
    [InlineData(
        "{% set ns = namespace(x=1) %}{% for i in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}" +
        "{{ ns.x }}")]
    [InlineData(
        "{% set ns = namespace(x=1) %}{% for i in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}" +
        "{{ ns.x|tojson }}")]
    [InlineData(
        "{% set ns = namespace(x=1,y=1) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}" +
        "{% set ns.y = [ns.y] %}{% endfor %}{{ ns.x == ns.y }}")]
    [InlineData(
        "{% set ns = namespace(x=1,y=1) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}" +
        "{% set ns.y = [ns.y] %}{% endfor %}{{ ns.x < ns.y }}")]
    [InlineData(
        "{% set ns = namespace(x=1) %}{% for i in range(9999) %}{% set ns.x = (ns.x,) %}{% endfor %}" +
        "{{ {ns.x: 1} }}")]
    [InlineData("{% set ns = namespace() %}{% set ns.me = ns %}{{ ns }}")]
    [InlineData(
        "{% set ns = namespace(g=[1]) %}{% for i in range(99999) %}{% set ns.g = ns.g|map('string') %}{% endfor %}" +
        "{{ ns.g|list }}")]
    [InlineData(
        "{% set ns = namespace(g=[1]) %}{% for i in range(99999) %}{% set ns.g = ns.g|select %}{% endfor %}" +
        "{% for x in ns.g %}{% endfor %}")]
    [InlineData(
        "{% set ns = namespace(g=[1]) %}{% for i in range(99999) %}{% set ns.g = ns.g|unique|batch(2) %}{% endfor %}" +
        "{{ ns.g|first }}")]
    [InlineData(
        "{% set ns = namespace(x=(1,1)) %}{% for i in range(99) %}{% set ns.x = (ns.x, ns.x) %}{% endfor %}" +
        "{{ {ns.x: 1} }}")]
    [InlineData(
        "{% set ns = namespace(x=[1],y=[1]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}" +
        "{% set ns.y = [ns.y, ns.y] %}{% endfor %}{{ ns.x == ns.y }}")]
    public void A_template_that_takes_too_much_is_stopped_soon(string template)
    {
        var watch = Stopwatch.StartNew();
        var allocated = GC.GetAllocatedBytesForCurrentThread();
        var error = Assert.Throws<JinjaException>(() => Renderer.Render(template));
        Assert.Equal(JinjaError.Limit, error.Kind);
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(30), $"{watch.Elapsed}");
        Assert.True(GC.GetTotalMemory(forceFullCollection: false) < 3L << 30);
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - allocated < 16L << 30);
    }

    [Theory]
    [InlineData("(")]
    [InlineData("[")]
    [InlineData("{1:")]
    [InlineData("-")]
    [InlineData("not ")]
    [InlineData("a if b else ")]
    [InlineData("f(")]
    [InlineData("a[")]
    [InlineData("1 + ")]
    [InlineData("'a' ~ ")]
    [InlineData("a or ")]
    [InlineData("a < ")]
    [InlineData("a.b.")]
    [InlineData("a|upper|")]
    [InlineData("a is defined and ")]
    public void Endless_expressions_do_not_overflow_the_stack(string part)
    {
        var expression = string.Concat(Enumerable.Repeat(part, 20_000));
        var error = Record.Exception(() => Renderer.Render("{{ " + expression + "a }}"));
        Assert.True(error is null or JinjaException, error?.ToString());
        Assert.IsType<JinjaException>(Record.Exception(() => Renderer.Render("{{ " + expression)));
    }

    [Theory]
    [InlineData("{% if a %}")]
    [InlineData("{% for a in b %}")]
    [InlineData("{% macro a() %}")]
    [InlineData("{% call a() %}")]
    [InlineData("{% filter upper %}")]
    [InlineData("{% set a %}")]
    [InlineData("{% with %}")]
    [InlineData("{% generation %}")]
    [InlineData("{% for (((")]
    [InlineData("{#")]
    [InlineData("{% raw %}")]
    [InlineData("{{ '")]
    public void Endless_blocks_do_not_overflow_the_stack(string part) => Assert.Throws<JinjaException>(
        () => Renderer.Render(string.Concat(Enumerable.Repeat(part, 20_000))));

    [Fact]
    public void A_template_beyond_the_length_limit_is_refused() => Assert.Throws<JinjaException>(
        () => Renderer.Render(new string('x', JinjaLimits.Default.TemplateLength + 1)));

    [Fact]
    public void Output_beyond_its_limit_is_refused()
    {
        var limits = new JinjaLimits { Output = 10 };
        Assert.Equal("0123456789", Renderer.Chat("0123456789", limits).Text);
        Assert.Contains(
            "10 characters",
            Assert.Throws<JinjaException>(() => Renderer.Chat("0123456789a", limits)).Message);
    }

    [Fact]
    public void Steps_beyond_their_limit_are_refused()
    {
        var limits = new JinjaLimits { Steps = 0 };
        Assert.Equal("x", Renderer.Chat("x", limits).Text);
        Assert.Throws<JinjaException>(
            () => Renderer.Chat("{% for i in range(90000) %}{% endfor %}", limits));
    }

    [Theory]
    [InlineData("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}")]
    [InlineData("{% set ns = namespace(x=1) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}")]
    [InlineData("{{ ((((((((((((((((((((((((((((((((((((((((1)))))))))))))))))))))))))))))))))))))))) ~ "
        + "raise_exception('x') }}")]
    public void A_small_stack_is_enough_to_fail_in_order(string template)
    {
        Exception? error = null;
        var thread = new Thread(() => error = Record.Exception(() => Renderer.Render(template)), 256 * 1024);
        thread.Start();
        thread.Join();
        Assert.IsAssignableFrom<JinjaException>(error);
    }

    [Fact]
    public void Messages_that_nest_too_deep_are_refused()
    {
        JsonNode? node = null;
        for (var i = 0; i < 5000; i++) node = new JsonArray(node);
        var error = Assert.Throws<JinjaException>(() => Renderer.Over("{{ messages }}", node!.AsArray()));
        Assert.Equal(JinjaError.Limit, error.Kind);
    }

    [Fact]
    public void Long_conversations_are_no_attack()
    {
        const string template =
            "{% set ns = namespace(t='') %}{% for m in messages %}" +
            "{% set ns.t = ns.t ~ m.role ~ m.content|trim %}{% endfor %}{{ ns.t }}";
        var messages = new JsonArray();
        for (var i = 0; i < 200; i++) messages.Add(
            new JsonObject { ["role"] = "user", ["content"] = new string('x', 5000) });
        Assert.Equal(200 * 5004, Renderer.Over(template, messages).Text.Length);
    }

    [Theory]
    [InlineData("{{ ''.__class__ }}")]
    [InlineData("{{ ''['__class__'] }}")]
    [InlineData("{{ ''|attr('__class__') }}")]
    [InlineData("{{ messages.GetType }}")]
    [InlineData("{{ messages.Elements }}")]
    [InlineData("{{ messages[0].Entries }}")]
    [InlineData("{{ range.Call }}")]
    [InlineData("{{ namespace().Set }}")]
    [InlineData("{{ raise_exception.__globals__ }}")]
    [InlineData("{{ messages['GetType'] }}")]
    [InlineData("{{ messages.append }}")]
    [InlineData("{{ messages[0].pop }}")]
    public void Nothing_of_dotnet_or_python_can_be_reached(string template)
    {
        Assert.Equal("", Renderer.Render(template));
        Assert.Throws<JinjaException>(
            () => Renderer.Render(template.Replace(" }}", "() }}", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("{% include '/etc/passwd' %}")]
    [InlineData("{% import 'x' as y %}")]
    [InlineData("{% from 'x' import y %}")]
    [InlineData("{% extends 'x' %}")]
    [InlineData("{{ open('x') }}")]
    [InlineData("{{ self._TemplateReference__context }}")]
    [InlineData("{{ '{0.__class__.__mro__}'.format('a') }}")]
    [InlineData("{{ messages[0].update({'role': 'x'}) }}")]
    [InlineData("{% set messages.x = 1 %}")]
    public void No_file_and_no_other_object_can_be_reached(string template) =>
        Assert.Throws<JinjaException>(() => Renderer.Render(template));

    [Fact]
    public void Random_pieces_of_templates_end_in_text_or_in_a_typed_error()
    {
        string[] pieces =
        [
            "{{", "}}", "{%", "%}", "{#", "#}", "-", "+", " ", "\n", "if ", "for ", "x in ", "l", "endif", "endfor",
                "else", "set ", "=", "'a'", "1",
            "(", ")", "[", "]", "{", "}", ":", ",", ".", "|", "upper", "join", "is ", "not ", "s", "~", "*", "**", "%",
                "//", "macro m()",
            "endmacro", "generation", "endgeneration", "raw", "endraw", "\\", "\"", "\u00e9", "😀", "0x", "1e", "_",
                "loop", "namespace", "recursive",
        ];
        var random = new Random(20240706);
        for (var i = 0; i < 20_000; i++)
        {
            var template =
                string.Concat(Enumerable.Range(0, random.Next(1, 25)).Select(_ => pieces[random.Next(pieces.Length)]));
            var error = Record.Exception(() => Renderer.Render(template));
            Assert.True(error is null or JinjaException, $"{template}\n{error}");
        }
    }
}
