using System.Text;
using System.Text.Json.Nodes;
using PeftNative.Formats.Json;
using Xunit;

namespace PeftNative.Tests.Formats;

public class JsonTests
{
    [Theory]
    [InlineData("{\"a\": 1,\n \"a\": 2}", "'a' appears twice", "line 2, column 2")]
    [InlineData("{\"x\": {\"b\": 1, \"\\u0062\": 2}}", "'b' appears twice", "line 1")]
    [InlineData("{\n\n  \"a\": NaN}", "Not valid JSON", "line 3, column 8")]
    [InlineData("{\"a\": 1,}", "Not valid JSON", "line 1")]
    [InlineData("{\"a\": 1} x", "Not valid JSON", "line 1")]
    [InlineData("{\"a\": 1", "Not valid JSON", "line 1")]
    [InlineData("// c\n{}", "Not valid JSON", "line 1")]
    [InlineData("{\"a\": 01}", "Not valid JSON", "line 1")]
    [InlineData("{\"a\": \"\\ud800\"}", "surrogate", "line 1, column 7")]
    [InlineData("{\"\\udc00\": 1}", "surrogate", "line 1")]
    [InlineData("[1]", "must hold a JSON object", "line 1")]
    [InlineData("", "Not valid JSON", "line 1")]
    [InlineData("\ufeff{}", "byte order mark", "line 1")]
    [InlineData("<!DOCTYPE html><html>", "HTML page", "f.json")]
    [InlineData("\n <html>", "HTML page", "f.json")]
    [InlineData("version https://git-lfs.github.com/spec/v1\noid", "git-lfs pointer", "f.json")]
    public void Broken_text_is_refused_with_its_place(string text, string what, string where)
    {
        var e = Assert.Throws<ModelFormatException>(() =>
            StrictJson.ParseObject(Encoding.UTF8.GetBytes(text), "f.json"));
        Assert.Contains(what, e.What);
        Assert.Contains(where, e.Where);
        Assert.StartsWith("f.json", e.Where);
    }

    [Fact]
    public void Depth_size_and_encoding_are_limited()
    {
        Parse(string.Concat(Enumerable.Repeat("{\"a\":", 31)) + "{}" + new string('}', 31));
        Assert.Throws<ModelFormatException>(() =>
            Parse(string.Concat(Enumerable.Repeat("{\"a\":", 32)) + "{}" + new string('}', 32)));
        Assert.Throws<ModelFormatException>(() => StrictJson.Parse(Encoding.UTF8.GetBytes(new string('[', 1_000_000))));
        Assert.Throws<ModelFormatException>(() =>
            StrictJson.ParseObject([(byte)'{', (byte)'"', 0xFF, (byte)'"', (byte)':', (byte)'1', (byte)'}']));
        using var scratch = new ScratchFolder();
        var path = scratch.Write("big.json", "{\"a\":\"" + new string('x', 100) + "\"}");
        Assert.Equal(100, StrictJson.ReadFile(path).GetString("a").Length);
        Assert.Contains("limit", Assert.Throws<ModelFormatException>(() => StrictJson.ReadFile(path, 50)).What);
        Assert.Throws<StorageException>(() => StrictJson.ReadFile(scratch.File("none.json")));
    }

    [Fact]
    public void Getters_check_types_and_name_key_expected_and_found()
    {
        var config = Parse("""
            {"n": 3, "f": 2.5, "big": 1e999, "b": true, "s": "x", "l": ["p", "q"], "i": [1, 2], "o": {"k": "v"},
             "null": null}
            """);
        Assert.Equal(3, config.GetInt("n"));
        Assert.Equal(3L, config.GetLong("n"));
        Assert.Equal(3.0, config.GetDouble("n"));
        Assert.Equal(2.5, config.GetDouble("f"));
        Assert.True(config.GetBool("b"));
        Assert.Equal(["p", "q"], config.GetStringList("l"));
        Assert.Equal([1, 2], config.GetIntList("i"));
        Assert.Equal([1.0, 2.0], config.GetDoubleList("i"));
        Assert.Equal("v", config.GetObject("o").GetString("k"));
        Assert.Equal(7, config.GetInt("null", 7));
        Assert.Equal("d", config.GetString("absent", "d"));
        Assert.Null(config.GetOptionalInt("null"));
        Assert.Null(config.GetOptionalStringList("absent"));
        Assert.Null(config.GetOptionalObject("null"));
        Assert.False(config.Has("null"));

        Refused(() => config.GetInt("f"), "'f' must be a whole number, found 2.5.");
        Refused(() => config.GetInt("f", 1), "'f' must be a whole number, found 2.5.");
        Refused(() => config.GetInt("absent"), "'absent' is missing; a whole number is expected.");
        Refused(() => config.GetDouble("big"), "'big' must be a finite number, found 1e999.");
        Refused(() => config.GetDouble("null"), "'null' must be a finite number, found null.");
        Refused(() => config.GetBool("s"), "'s' must be true or false, found the text \"x\".");
        Refused(() => config.GetString("o"), "'o' must be text, found an object.");
        Refused(() => config.GetStringList("i"), "'i' must be a list of texts, found a list.");
        Refused(() => config.GetIntList("l"), "'l' must be a list of whole numbers, found a list.");
        Refused(() => config.GetObject("l"), "'l' must be an object, found a list.");
        var e = Assert.Throws<ModelFormatException>(() => config.GetObject("o").GetInt("k"));
        Assert.Equal("memory, key 'o.k'", e.Where);
    }

    [Fact]
    public void Recorded_adapter_configs_are_written_as_PEFT_wrote_them()
    {
        var configs = Directory.GetFiles(SharedFolder.PathOrSkip("golden/cases"), "adapter_config.json",
            SearchOption.AllDirectories);
        var ofPeft = configs.Where(c => File.ReadAllText(c).Contains("\"peft_type\"")).ToList();
        Assert.NotEmpty(ofPeft);
        foreach (var path in ofPeft)
        {
            var text = File.ReadAllText(path);
            Assert.Equal(text, PeftJson.Write(JsonNode.Parse(text)));
        }
    }

    [Fact]
    public void Values_made_in_memory_keep_their_kind()
    {
        var json = new JsonObject
        {
            ["z"] = 0.0, ["r"] = 8, ["alpha"] = 16L, ["b"] = true, ["none"] = null, ["single"] = 0.1f,
            ["big"] = ulong.MaxValue, ["list"] = new JsonArray("q_proj", "é\"\\\n\u007f😀"),
            ["empty"] = new JsonArray(),
            ["map"] = new JsonObject(),
        };
        const string expected = """
            {
              "alpha": 16,
              "b": true,
              "big": 18446744073709551615,
              "empty": [],
              "list": [
                "q_proj",
                "\u00e9\"\\\n\u007f\ud83d\ude00"
              ],
              "map": {},
              "none": null,
              "r": 8,
              "single": 0.1,
              "z": 0.0
            }
            """;
        Assert.Equal(expected.ReplaceLineEndings("\n"), PeftJson.Write(json));
        Assert.Equal("null", PeftJson.Write(null));
        Assert.Throws<ArgumentException>(() => PeftJson.Write(JsonValue.Create(double.NaN)));
    }

    [Theory]
    [InlineData(0.0, "0.0")]
    [InlineData(-0.0, "-0.0")]
    [InlineData(1.0, "1.0")]
    [InlineData(0.1, "0.1")]
    [InlineData(1e-5, "1e-05")]
    [InlineData(1e-4, "0.0001")]
    [InlineData(0.00012345, "0.00012345")]
    [InlineData(123456789012345680.0, "1.2345678901234568e+17")]
    [InlineData(1e16, "1e+16")]
    [InlineData(1e15, "1000000000000000.0")]
    [InlineData(9999999999999998.0, "9999999999999998.0")]
    [InlineData(1e22, "1e+22")]
    [InlineData(1e23, "1e+23")]
    [InlineData(5e-324, "5e-324")]
    [InlineData(1.7976931348623157e308, "1.7976931348623157e+308")]
    [InlineData(-3.75e-7, "-3.75e-07")]
    [InlineData(1.0 / 3, "0.3333333333333333")]
    [InlineData(100.0, "100.0")]
    [InlineData(1e100, "1e+100")]
    [InlineData(12345678.9, "12345678.9")]
    public void Floats_are_spelled_as_Python_spells_them(double value, string expected)
    {
        Assert.Equal(expected, PeftJson.Write(JsonValue.Create(value)));
        Assert.Equal(value, double.Parse(expected));
    }

    [Fact]
    public void Keys_are_ordered_by_code_point()
    {
        string[] keys = ["a", "ab", "b", "\u007f", "é", "\ud7ff", "\ue000", "\uffff", "\U00010000", "\U0001F600",
            "\U0010FFFF"];
        foreach (var (i, left) in keys.Index())
            foreach (var (j, right) in keys.Index())
                Assert.Equal(i.CompareTo(j), Math.Sign(JsonText.CompareUtf8(left, right)));
    }

    private static StrictObject Parse(string text) => StrictJson.ParseObject(Encoding.UTF8.GetBytes(text));

    private static void Refused(Action read, string message) =>
        Assert.EndsWith(message, Assert.Throws<ModelFormatException>(read).What);
}
