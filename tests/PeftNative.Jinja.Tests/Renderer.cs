using System.Text.Json.Nodes;

namespace PeftNative.Jinja.Tests;

/// <summary>Renders a template over one fixed conversation and one fixed set of variables.</summary>
internal static class Renderer
{
    private const string Messages = """
        [{"role":"system","content":"Sys 😀 prompt"},
         {"role":"user","content":"Hello <b>wörld</b>\n\nline"},
         {"role":"assistant","content":null,"tool_calls":[
           {"function":{"name":"f","arguments":{"a":1,"b":[1.0,2.5e-9,true,null,"x'y\"z"]}}}]},
         {"role":"tool","content":"42","n":3}]
        """;

    private const string Variables = """
        {"tools":[{"type":"function","function":{"name":"get","description":"dé \"q\"","parameters":
           {"type":"object","properties":
           {"x":{"type":"string","enum":["a","b"]},
            "n":{"type":"number","default":2.0,"min":1e-07,"max":1e+22,
              "big":123456789012345678901234567890}},"required":["x"]}}}],
         "d":{"b":2,"a":1,"B":3,"items":5},"l":[3,1,2],"s":"héllo wörld","e":"😀a😀b",
         "f":1.5,"i":7,"z":0,"n":null,"t":true,
         "nest":[[1,2],[3,[4,5]]],
         "people":[{"n":"Bob","age":3,"x":{"y":1}},{"n":"alice","age":2,"x":{"y":2}},{"n":"Carl","age":3,"x":{"y":0}}]}
        """;

    public static string Render(string template) => Chat(template).Text;

    public static RenderedTemplate Chat(string template, JinjaLimits? limits = null) =>
        Over(template, JsonNode.Parse(Messages)!.AsArray(), limits);

    /// <summary>Renders over messages of one's own.</summary>
    public static RenderedTemplate Over(string template, JsonArray messages, JinjaLimits? limits = null) =>
        JinjaTemplate.Parse(template, limits).Render(
            [
                .. JsonNode.Parse(Variables)!.AsObject().Select(v => new JinjaVariable(v.Key, v.Value)),
                new("messages", messages, OmitsNulls: true), new("documents", null),
                new("add_generation_prompt", false),
            ],
            limits);
}
