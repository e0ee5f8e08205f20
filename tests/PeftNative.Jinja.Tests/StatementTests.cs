using Xunit;

namespace PeftNative.Jinja.Tests;

/// <summary>
/// What templates give, recorded from Jinja2 3.1.6 (sandboxed, Python 3.11) over the variables of
/// <see cref="Renderer"/>.
/// </summary>
public sealed class StatementTests
{
    [Theory]
    [InlineData(
        "{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.firs" +
        "t }}{{ loop.last }}{{ loop.length }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.depth }}{{ loop.de" +
        "pth0 }}{{ loop.cycle('a','b') }}{{ loop.changed(x) }};{% endfor %}",
        "1032TrueFalse3110aTrue;2121FalseFalse33210bTrue;3210FalseTrue3110aTrue;")]
    [InlineData("{% for x in [1,1,2,2] %}{% if loop.changed(x) %}{{ x }}{% endif %}{% endfor %}", "12")]
    [InlineData(
        "{% for k, v in d.items() %}{{ k }}={{ v }},{% endfor %}|{% for k in d %}{{ k }}{% endfor %}",
        "b=2,a=1,B=3,items=5,|baBitems")]
    [InlineData("{% for a, (b, c) in [(1,(2,3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "123")]
    [InlineData(
        "{% for x in [] %}a{% else %}empty{% endfor %}{% for x in missing %}a{% else %}empty{% endfor %}",
        "emptyempty")]
    [InlineData("{% for c in 'h\u00e9\ud83d\ude00' %}[{{ c }}]{% endfor %}", "[h][\u00e9][\ud83d\ude00]")]
    [InlineData(
        "{% for x in l if x > 1 %}{{ x }}{{ loop.index }}{{ loop.last }}{{ loop.length }}{% endfor %}",
        "31False222True2")]
    [InlineData("{% for x in l if x > 10 %}{{ x }}{% else %}none{% endfor %}", "none")]
    [InlineData(
        "{% for x in range(10) %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 5 %}{% break %}{% endif %" +
        "}{{ x }}{% endfor %}",
        "0134")]
    [InlineData("{% for x in range(3) %}{% break %}{% else %}never{% endfor %}", "never")]
    [InlineData(
        "{% for x in [1,[2,[3,4]],5] recursive %}{% if x is iterable %}[{{ loop(x) }}]{% else %}{{ x }}d{{ lo" +
        "op.depth }}{% endif %},{% endfor %}",
        "1d1,[2d2,[3d3,4d3,],],5d1,")]
    [InlineData(
        "{% for x in range(3) %}{% for y in range(2) %}{{ loop.index }}{{ loop.length }}{% endfor %}{{ loop.i" +
        "ndex }};{% endfor %}",
        "12221;12222;12223;")]
    [InlineData(
        "{% for x in range(2) %}{% set outer = loop %}{% for y in range(2) %}{{ outer.index }}{{ loop.index }" +
        "} {% endfor %}{% endfor %}",
        "11 12 21 22 ")]
    [InlineData("{% set x = 1 %}{% for i in range(3) %}{% set x = x + 1 %}{{ x }}{% endfor %}{{ x }}", "2221")]
    [InlineData(
        "{% set ns = namespace(x=0) %}{% for i in range(3) %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}{" +
        "{ ns }}",
        "3<Namespace {'x': 3}>")]
    [InlineData(
        "{% set ns = namespace(flag=true) %}{% for m in range(5) if ns.flag %}{{ m }}{% if m == 2 %}{% set ns" +
        ".flag = false %}{% endif %}{% endfor %}",
        "012")]
    [InlineData("{% if x is not defined %}{% set x = 5 %}{% endif %}{{ x }}", "5")]
    [InlineData("{% if true %}{% if false %}a{% elif 0 %}b{% elif 1 %}c{% else %}d{% endif %}{% endif %}", "c")]
    [InlineData(
        "{% macro m(a, b=2, c='x') %}[{{ a }}{{ b }}{{ c }}]{% endmacro %}{{ m(1) }}{{ m(1, c=3) }}{{ m(b=1, " +
        "a=0) }}{{ m() }}{{ m.name }}{{ m.arguments }}{{ m }}",
        "[12x][123][01x][2x]m('a', 'b', 'c')<Macro 'm'>")]
    [InlineData("{% macro m(a) %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1,2,3,x=4) }}", "(2, 3){'x': 4}")]
    [InlineData("{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(3) }}", "33")]
    [InlineData("{% macro m() %}{{ y }}{% endmacro %}{% set y = 5 %}{{ m() }}", "5")]
    [InlineData(
        "{% macro outer() %}{% macro inner(x) %}<{{ x }}>{% endmacro %}{{ inner(1) }}{% endmacro %}{{ outer()" +
        " }}{{ inner is defined }}",
        "<1>False")]
    [InlineData(
        "{% macro fact(n) %}{% if n <= 1 %}1{% else %}{{ n * fact(n-1)|int }}{% endif %}{% endmacro %}{{ fact" +
        "(5) }}",
        "120")]
    [InlineData(
        "{% macro wrap(t) %}<{{ t }}>{{ caller() }}</{{ t }}>{% endmacro %}{% call wrap('b') %}body {{ s }}{%" +
        " endcall %}",
        "<b>body h\u00e9llo w\u00f6rld</b>")]
    [InlineData(
        "{% macro each(l) %}{% for x in l %}{{ caller(x, loop.index) }}{% endfor %}{% endmacro %}{% call(x, i" +
        ") each(l) %}{{ i }}:{{ x }};{% endcall %}",
        "1:3;2:1;3:2;")]
    [InlineData(
        "{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}{% call m() %}{% endcall %}",
        "FalseTrue")]
    [InlineData(
        "{% filter upper %}abc {{ s }}{% endfilter %}{% filter replace('a','b')|upper %}aaa{% endfilter %}",
        "ABC H\u00c9LLO W\u00d6RLDBBB")]
    [InlineData("{% set x %}hello {{ s }}{% endset %}[{{ x }}]{{ x|length }}", "[hello h\u00e9llo w\u00f6rld]17")]
    [InlineData("{% set x | upper | trim %}  hello {{ s }} {% endset %}[{{ x }}]", "[HELLO H\u00c9LLO W\u00d6RLD]")]
    [InlineData(
        "{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set c = 1, 2 %}{{ c }}{% set (q, w) = [3, 4] %}{{ q }}{{ w }}",
        "12(1, 2)34")]
    [InlineData("{% set ns = namespace() %}{% set ns.a, b = 1, 2 %}{{ ns.a }}{{ b }}", "12")]
    [InlineData("{% set ns = namespace() %}{% set ns.body %}block{% endset %}{{ ns.body }}", "block")]
    [InlineData("{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a is defined }}", "12False")]
    [InlineData("{% set a = 5 %}{% with a = 1, b = a %}{{ a }}{{ b }}{% set a = 9 %}{% endwith %}{{ a }}", "155")]
    [InlineData(
        "{% raw %}{{ not }} {% evaluated %}{% endraw %}|{%- raw -%}  x  {%- endraw -%}  y",
        "{{ not }} {% evaluated %}|xy")]
    [InlineData("a {# comment #} b {#- strip -#} c\n{# line comment #}\nd", "a  bc\nd")]
    [InlineData(
        "  {% if true %}\n    x\n  {% endif %}\n  {%+ if true %}\n    y\n  {%+ endif %}\nz {% if true -%}   w" +
        "   {%- endif %} v",
        "    x\n      y\n  z w v")]
    [InlineData("{{ 'a' }}\n{{ 'b' -}}\n   c\n{{- 'd' }}", "a\nbcd")]
    [InlineData("line1\n    {%- set x = 1 %}\nline2\n\t{% set y = 2 +%}\nline3", "line1line2\n\nline3")]
    [InlineData("{% block b %}block {{ s }}{% set z = 1 %}{% endblock %}{{ z }}", "block h\u00e9llo w\u00f6rld0")]
    [InlineData(
        "{% set top = 4 %}{% for i in [1] %}{% block q %}{{ i }}{{ top }}{% endblock %}{% block r scoped %}{{" +
        " i }}{% endblock r %}{% endfor %}",
        "741")]
    [InlineData("{% autoescape false %}{{ '<' }}{% endautoescape %}", "<")]
    [InlineData("{% print 'x' %}", "x")]
    [InlineData(
        "{% set c = cycler('a','b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.reset() }" +
        "}{{ c.current }}",
        "ababNonea")]
    [InlineData("{% set j = joiner('|') %}{% for x in l %}{{ j() }}{{ x }}{% endfor %}", "3|1|2")]
    [InlineData("{% if false %}{% include 'x' %}{% endif %}ok", "ok")]
    [InlineData("{% if false %}{{ 1|nofilter }}{% endif %}ok", "ok")]
    [InlineData("{% set gen = l|select('odd') %}{{ gen|list }}{{ gen|list }}", "[3, 1][]")]
    [InlineData("{% for x in l|select('odd') %}{{ loop.length }}{{ x }}{{ loop.last }}{% endfor %}", "23False21True")]
    [InlineData("{% for x in (1,2) %}{{ x }}{% endfor %}{% for x in 1,2 %}{{ x }}{% endfor %}", "1212")]
    [InlineData(
        "{% for x in l recursive %}{{ x }}{% endfor %}{% for x in l if x recursive %}{{ x }}{% endfor %}",
        "312312")]
    [InlineData("{{ \"a\" if l else \"b\" }}{{ l|length if l else 0 }}{{ (l|first) if l else 0 }}", "a33")]
    [InlineData("{% set x = 'a' if false %}{{ x is defined }}{{ x }}", "False")]
    [InlineData(
        "{% set messages = messages[1:] %}{% for message in messages %}{{ message.role }}{% endfor %}",
        "userassistanttool")]
    [InlineData(
        "{% for message in messages %}{{ message['role'] + ':' }}{% if message['content'] %}{{ message.conten" +
        "t }}{% endif %}{% if message.tool_calls is defined and message.tool_calls is not none %}{% for tc in" +
        " message.tool_calls %}{{ tc.function.arguments|tojson }}{{ tc['function']['name'] }}{% endfor %}{% e" +
        "ndif %}{% endfor %}",
        "system:Sys \ud83d\ude00 promptuser:Hello <b>w\u00f6rld</b>\n\nlineassistant:{\"a\": 1, \"b\": [1.0, " +
        "2.5e-09, true, null, \"x'y\\\"z\"]}ftool:42")]
    [InlineData(
        "{% for message in messages[::-1] %}{% set idx = (messages|length - 1) - loop.index0 %}{{ idx }}{{ me" +
        "ssage.role }}{% endfor %}",
        "3tool2assistant1user0system")]
    [InlineData(
        "{%- for tool in tools %}{%- set t = tool.function %}{{- '\\n### ' + t.name + '\\n' }}{%- for k, v in" +
        " t.parameters.properties|dictsort %}{{- k ~ ':' ~ v.type ~ ('*' if k in t.parameters.required else '" +
        "') ~ '\\n' }}{%- endfor %}{%- endfor %}",
        "\n### get\nn:number\nx:string*\n")]
    [InlineData(
        "{%- macro json_to_python_type(json_spec) %}{%- set m = {\"string\": \"str\",\"number\": \"float\"} %" +
        "}{%- if m[json_spec.type] is defined %}{{- m[json_spec.type] }}{%- elif json_spec.type == \"array\" " +
        "%}{{- \"list[\" + json_to_python_type(json_spec|items) + \"]\"}}{%- else %}{{- \"Any\" }}{%- endif %" +
        "}{%- endmacro %}{%- for t in tools %}{{ t.function.name }}({%- for n, f in t.function.parameters.pro" +
        "perties.items() %}{{ n + \": \" + json_to_python_type(f) }}{%- if not loop.last %}, {% endif %}{%- e" +
        "ndfor %}){%- endfor %}",
        "get(x: str, n: float)")]
    [InlineData("{{- {'a': {'b': [1, 2]}} }}", "{'a': {'b': [1, 2]}}")]
    [InlineData("{{ {'a':{}} }}{{ {'a':{'b':{}}} }}", "{'a': {}}{'a': {'b': {}}}")]
    [InlineData("{%if true%}x{%endif%}{{1}}{{-1}}{{ -1 }}", "x11-1")]
    [InlineData("{{ 'multi\nline' }}", "multi\nline")]
    [InlineData("x{% set a = 1 %}\n\ny{% set b = 2 %}\nz", "x\nyz")]
    [InlineData("\nleading newline and trailing\n\n", "\nleading newline and trailing\n")]
    [InlineData("{{ x|default(y|default('z')) }}", "z")]
    [InlineData(
        "{{ messages|map(attribute='role')|list }}{{ messages|map(attribute='content')|list }}{{ messages|sel" +
        "ectattr('content','defined')|list|length }}",
        "['system', 'user', 'assistant', 'tool']['Sys \ud83d\ude00 prompt', 'Hello <b>w\u00f6rld</b>\\n\\nlin" +
        "e', Undefined, '42']3")]
    [InlineData(
        "{{ messages|length }}{{ messages|last }}{{ messages[-1]['n'] }}{{ messages[-1].n is number }}",
        "4{'role': 'tool', 'content': '42', 'n': 3}3True")]
    [InlineData(
        "{% for m in messages %}{{ loop.previtem.role if loop.previtem is defined else '-' }}{{ loop.nextitem" +
        ".role if not loop.last else '-' }} {% endfor %}",
        "-user systemassistant usertool assistant- ")]
    [InlineData(
        "{% for m in messages if m.role != 'system' %}{{ loop.index0 }}{{ m.role }}{{ loop.first }}{{ loop.pr" +
        "evitem is defined and loop.previtem.role }}{% endfor %}",
        "0userTrueFalse1assistantFalseuser2toolFalseassistant")]
    [InlineData(
        "{% set x = namespace(a=[]) %}{% for i in range(3) %}{% set x.a = x.a + [i] %}{% endfor %}{{ x.a }}",
        "[0, 1, 2]")]
    [InlineData(
        "{% set q = dict(a=1, **{'b': 2}) %}{{ q }}{{ dict(**d) }}",
        "{'a': 1, 'b': 2}{'b': 2, 'a': 1, 'B': 3, 'items': 5}")]
    [InlineData(
        "{% macro m(a,b,c) %}{{a}}{{b}}{{c}}{% endmacro %}{{ m(*[1,2], c=3) }}{{ m(*l) }}{{ m(**{'a':1,'b':2," +
        "'c':3}) }}",
        "123312123")]
    [InlineData("{{ (lambda) }}", "")]
    [InlineData(
        "{{ s.upper().lower().title().strip('H') }}{{ (s ~ 'x').upper() }}{{ 'a'.upper()|lower }}",
        "\u00e9llo W\u00f6rldH\u00c9LLO W\u00d6RLDXa")]
    [InlineData("{{ not x }}{{ x == y }}{{ x is defined and x.y }}", "TrueTrueFalse")]
    [InlineData(
        "{{ loop is defined }}{% for i in [1] %}{{ loop is defined }}{{ loop is iterable }}{{ loop is callabl" +
        "e }}{{ loop }}{% endfor %}",
        "FalseTrueTrueTrue<LoopContext 1/1>")]
    [InlineData("{{ ''|first is defined }}{{ [] == [] }}{{ {}|length }}", "FalseTrue0")]
    [InlineData("{{ \"%s and %s\" | format(\"a\", \"b\") }}{{ \"{:>4}\" .format(5) }}", "a and b   5")]
    [InlineData("{% for i in range(2) -%} {{ i }} {%- endfor %}", "01")]
    [InlineData(
        "{% set items %}{% for i in range(3) %}{{ i }},{% endfor %}{% endset %}{{ items[:-1] }}{{ items.rstri" +
        "p(',').split(',') }}",
        "0,1,2['0', '1', '2']")]
    [InlineData(
        "{{ tools|length }}{{ tools is iterable and tools is not mapping and tools is not string }}{{ documen" +
        "ts is none }}{{ add_generation_prompt }}",
        "1TrueTrueFalse")]
    [InlineData(
        "{% if 'a' in messages[0] %}y{% endif %}{% if 'role' in messages[0] %}y{% endif %}{{ 'role' in messag" +
        "es[0].keys() }}{{ 3 in d.values() }}",
        "yTrueTrue")]
    [InlineData(
        "{{ {'b':1,'a':2}|items|list }}{{ {'b':1,'a':2}|dictsort|first }}{{ {'a':1}|list }}",
        "[('b', 1), ('a', 2)]('a', 2)['a']")]
    [InlineData("{% for k, v in d|dictsort(by='value', reverse=true) %}{{ k }}{{ v }}{% endfor %}", "items5B3b2a1")]
    [InlineData(
        "{% for g, items in people|groupby('age') %}{{ g }}:{{ items|map(attribute='n')|join(',') }};{% endfo" +
        "r %}{{ (people|groupby('age'))[0].grouper }}{{ (people|groupby('age'))[0].list|length }}",
        "2:alice;3:Bob,Carl;21")]
    [InlineData("{{ people|groupby('n')|first }}", "('alice', [{'n': 'alice', 'age': 2, 'x': {'y': 2}}])")]
    [InlineData(
        "{%- set loop_messages = messages -%}{%- for message in loop_messages -%}{%- set content = '<|start|>" +
        "' + message['role'] + '\\n\\n'+ (message['content']|default('', true)) | trim + '<|end|>' -%}{%- if " +
        "loop.index0 == 0 -%}{%- set content = bos_token|default('B') + content -%}{%- endif -%}{{- content -" +
        "}}{%- endfor -%}",
        "B<|start|>system\n\nSys \ud83d\ude00 prompt<|end|><|start|>user\n\nHello <b>w\u00f6rld</b>\n\nline<|" +
        "end|><|start|>assistant\n\n<|end|><|start|>tool\n\n42<|end|>")]
    [InlineData("{{ '' ~ [missing] }}{{ [missing]|length }}{{ {'a': missing} }}", "[Undefined]1{'a': Undefined}")]
    [InlineData(
        "{{ missing ~ 'x' }}{{ missing|upper }}{{ missing|trim }}{{ missing|length }}{{ missing|list }}{{ mis" +
        "sing|join }}{{ missing|string }}{{ missing|replace('a','b') }}{{ missing|items|list }}{{ missing|sor" +
        "t }}{{ missing|last }}",
        "x0[][][]")]
    [InlineData("{% set x = 1 if true else 2, 3 %}{{ x }}", "(1, 3)")]
    [InlineData("{{ 1, 2 if true }}", "(1, 2)")]
    [InlineData("{% for x in 1, 2 if x > 1 %}{{ x }}{% endfor %}", "2")]
    [InlineData("{% for x in (l if true else []) %}{{ x }}{% endfor %}", "312")]
    [InlineData("{% if 1, 2 %}t{% endif %}", "t")]
    [InlineData("{{ l|map('upper')|list if false else 'z' }}", "z")]
    [InlineData(
        "{{ s['upper'] is defined }}{{ s.nope is defined }}{{ d.nope is defined }}{{ d['nope'] is none }}",
        "TrueFalseFalseFalse")]
    [InlineData(
        "{{ d.keys()|list }}{{ d.values()|sum }}{{ d.items()|map('first')|list }}{{ d.items()|sort|list }}{{ " +
        "d.keys() }}{{ d.values() }}{{ d.items()|length }}{{ d.items()|first }}{{ d.items()|last }}",
        "['b', 'a', 'B', 'items']11['b', 'a', 'B', 'items'][('B', 3), ('a', 1), ('b', 2), ('items', 5)]dict_k" +
        "eys(['b', 'a', 'B', 'items'])dict_values([2, 1, 3, 5])4('b', 2)('items', 5)")]
    [InlineData("{{ d.items()[0] }}{{ d.keys()[0] is defined }}", "False")]
    [InlineData("{% for item in d.items() %}{{ item[0] }}{{ item.1 }}{% endfor %}", "b2a1B3items5")]
    [InlineData(
        "{% for m in messages %}{% if m.content is string %}S{% elif m.content is iterable %}I{% elif m.conte" +
        "nt is none %}N{% elif m.content is undefined %}U{% endif %}{% endfor %}",
        "SSIS")]
    [InlineData(
        "{%- if not loop_done is defined -%}{%- set loop_done = false -%}{%- endif -%}{{ loop_done }}",
        "False")]
    [InlineData("{{ not true is defined }}{{ not (true is defined) }}{{ true is not defined }}", "FalseFalseFalse")]
    [InlineData("{{ x is defined or y is defined and z }}", "False")]
    [InlineData(
        "{{ 'a' is string and 'b' is string }}{{ l is iterable and l is not string and l is not mapping }}",
        "TrueTrue")]
    [InlineData("{{ 4 is divisibleby 2 and 3 is odd }}{{ 1 is eq 1 == true }}", "TrueTrue")]
    [InlineData("{{ 5 is in l }}{{ 1 is in(l) }}{{ 1 is not in l }}", "FalseTrueFalse")]
    [InlineData("{{ (foo|default({})).bar|default('q') }}", "q")]
    [InlineData(
        "{{ [[1,2],[3,4]]|map('sum')|list }}{{ [[1,2],[3,4]]|map('first')|list }}{{ ['a','b']|map('upper')|jo" +
        "in }}{{ ['1','2']|map('int')|sum }}",
        "[3, 7][1, 3]AB3")]
    [InlineData(
        "{{ [{'a':{'b':1}},{'a':{}}]|map(attribute='a.b')|list }}{{ [{'a':{'b':1}},{'a':{}}]|map(attribute='a" +
        ".b', default=0)|list }}{{ [[1,2],[3,4]]|map(attribute=0)|list }}{{ [[1,2],[3,4]]|map(attribute='1')|" +
        "list }}",
        "[1, Undefined][1, 0][1, 3][2, 4]")]
    [InlineData(
        "{{ messages|selectattr('role','in',['user','tool'])|map(attribute='role')|join('+') }}{{ messages|re" +
        "jectattr('content')|list|length }}{{ messages|selectattr('tool_calls')|list|length }}",
        "user+tool11")]
    [InlineData(
        "{{ messages | tojson(indent=2) | indent(4) }}",
        "[\n      {\n        \"role\": \"system\",\n        \"content\": \"Sys \ud83d\ude00 prompt\"\n      }" +
        ",\n      {\n        \"role\": \"user\",\n        \"content\": \"Hello <b>w\u00f6rld</b>\\n\\nline\"" +
        "\n      },\n      {\n        \"role\": \"assistant\",\n        \"tool_calls\": [\n          {\n     " +
        "       \"function\": {\n              \"name\": \"f\",\n              \"arguments\": {\n            " +
        "    \"a\": 1,\n                \"b\": [\n                  1.0,\n                  2.5e-09,\n       " +
        "           true,\n                  null,\n                  \"x'y\\\"z\"\n                ]\n      " +
        "        }\n            }\n          }\n        ]\n      },\n      {\n        \"role\": \"tool\",\n  " +
        "      \"content\": \"42\",\n        \"n\": 3\n      }\n    ]")]
    [InlineData(
        "{{ '<' ~ ('<'|e) ~ '<'|safe }}{{ ('a'|safe)|upper }}{{ ('a'|safe ~ '<') }}{{ ('<a>'|safe)|length }}{" +
        "{ (('<'|safe) * 2) }}{{ ('x'|safe).replace('x','<') }}{{ (('a'|safe) ~ 'b') is escaped }}{{ ('a'|saf" +
        "e) == 'a' }}{{ ('a'|safe).join(['<']) }}{{ ['<'|safe,'<']|join }}{{ '<'|forceescape }}{{ 'a'|safe|to" +
        "json }}",
        "<&lt;<Aa<3<<&lt;FalseTrue&lt;<<&lt;\"a\"")]
    public void Templates_render_as_in_the_reference(string template, string expected) =>
        Assert.Equal(expected, Renderer.Render(template));

    [Theory]
    [InlineData("{% for a, b in [(1,2,3)] %}{{ a }}{% endfor %}")]
    [InlineData("{% for a, b in [1] %}{{ a }}{% endfor %}")]
    [InlineData("{% for x in none %}a{% endfor %}")]
    [InlineData("{% for x in 5 %}a{% endfor %}")]
    [InlineData("{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1,2) }}")]
    [InlineData("{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}")]
    [InlineData("{% macro m() %}x{% endmacro %}{% call m() %}{% endcall %}")]
    [InlineData("{% set d.x = 1 %}")]
    [InlineData("{{ raise_exception() }}")]
    [InlineData("{% for %}{% endfor %}")]
    [InlineData("{% if x %}")]
    [InlineData("{% endif %}")]
    [InlineData("{{ 1 + }}")]
    [InlineData("{{ (1 }}")]
    [InlineData("{{ 1 )}}")]
    [InlineData("{% unknown %}")]
    [InlineData("{{ \"unclosed }}")]
    [InlineData("{# unclosed")]
    [InlineData("{% raw %} unclosed")]
    [InlineData("{{ a b }}")]
    [InlineData("{% set 1 = 2 %}")]
    [InlineData("{% set true = 2 %}")]
    [InlineData("{% break %}")]
    [InlineData("{% for x in l %}{% generation %}{% break %}{% endgeneration %}{% endfor %}")]
    [InlineData("{% include 'x' %}")]
    [InlineData("{% extends 'x' %}")]
    [InlineData("{% call(x) (s.upper)() %}{% endcall %}")]
    [InlineData("{% set x = [1,2,3] %}{% set _ = x.append(4) %}{{ x }}")]
    [InlineData("{% do x %}")]
    [InlineData("{% trans %}a{% endtrans %}")]
    [InlineData("{{ missing|int }}")]
    [InlineData("{{ missing|abs }}")]
    [InlineData("{{ missing|indent }}")]
    [InlineData("{{ missing|dictsort }}")]
    [InlineData("{{ missing() }}")]
    [InlineData("{{ missing[0] }}")]
    [InlineData("{{ missing.x is defined }}")]
    [InlineData("{{ missing > 1 }}")]
    [InlineData("{{ -missing }}")]
    [InlineData("{{ missing[1:] }}")]
    [InlineData("{{ none|trim }}{{ none|upper }}{{ none ~ '' }}{{ none|string }}{{ none|list }}")]
    [InlineData("{{ 5|list }}")]
    [InlineData("{{ loop.index }}")]
    [InlineData("{{ messages[10] is defined }}{{ messages[10].role }}")]
    [InlineData("{{ {'a': 1 if true else 2, 'b': [x for x in l]} }}")]
    [InlineData("{{ \"\\N{DASH}\" }}")]
    [InlineData("{{ \"\\u{41}\" }}")]
    [InlineData("{{ a.b }}")]
    [InlineData("{{ a['b'] }}")]
    [InlineData("{{ 1 is defined is true }}")]
    [InlineData("{{ foo.bar.baz|default('q') }}")]
    [InlineData("{{ [1,2]|map|list }}")]
    [InlineData("{{ [1,2]|map('nope')|list }}")]
    [InlineData("{{ [1,2]|select('nope')|list }}")]
    [InlineData("{{ [1,2]|selectattr()|list }}")]
    public void Broken_templates_are_typed_errors(string template) =>
        Assert.Throws<JinjaException>(() => Renderer.Render(template));
}
