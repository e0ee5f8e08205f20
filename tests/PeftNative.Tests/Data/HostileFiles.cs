using System.Text;

namespace PeftNative.Tests.Data;

/// <summary>
/// A data file and what reading it must give: the number of records, or an error that says this, at this line.
/// </summary>
public sealed record HostileFile(
    string Name, string Extension, byte[] Bytes, int? Records, string? Error = null, int? Line = null)
{
    public override string ToString() => $"{Extension}: {Name}";
}

internal static class HostileFiles
{
    public static IEnumerable<HostileFile> All => [.. JsonLines(), .. Json(), .. Delimited(), .. Text()];

    private static HostileFile Ok(string name, string extension, string text, int records) =>
        new(name, extension, Encoding.Latin1.GetBytes(text), records);

    /// <summary>Texts are Latin-1, so that every byte can be written.</summary>
    private static HostileFile Bad(string name, string extension, string text, string error, int? line = null) =>
        new(name, extension, Encoding.Latin1.GetBytes(text), null, error, line);

    private static IEnumerable<HostileFile> JsonLines() =>
    [
        Ok("plain", "jsonl", "{\"text\":\"a\"}\n{\"text\":\"b\"}\n", 2),
        Ok("no line feed at the end", "jsonl", "{\"text\":\"a\"}\n{\"text\":\"b\"}", 2),
        Ok("CRLF", "jsonl", "{\"text\":\"a\"}\r\n{\"text\":\"b\"}\r\n", 2),
        Ok("byte order mark", "jsonl", "\u00EF\u00BB\u00BF{\"text\":\"a\"}\n", 1),
        Ok("blank lines", "jsonl", "\n  \n{\"text\":\"a\"}\n\t\r\n\n{\"text\":\"b\"}\n\n", 2),
        Ok("white space around", "jsonl", "  {\"text\" : \"a\"}  \n", 1),
        Ok("escaped line feed and surrogates", "jsonl", "{\"text\":\"a\\nb \\ud83d\\ude00\"}\n", 1),
        Ok("empty text", "jsonl", "{\"text\":\"\"}\n", 1),
        Ok("NUL as escape", "jsonl", "{\"text\":\"\\u0000\"}\n", 1),
        Ok("lists 60 deep in another field", "jsonl",
            "{\"text\":\"a\",\"x\":" + new string('[', 60) + new string(']', 60) + "}\n", 1),
        Bad("empty", "jsonl", "", "holds no records"),
        Bad("blank", "jsonl", "\n \r\n\t\n", "holds no records"),
        Bad("byte order mark only", "jsonl", "\u00EF\u00BB\u00BF", "holds no records"),
        Bad("cut off", "jsonl", "{\"text\":\"a\"}\n{\"text\":\"b", "not valid JSON", 2),
        Bad("comma at the end", "jsonl", "{\"text\":\"a\",}\n", "not valid JSON", 1),
        Bad("single quotes", "jsonl", "{'text':'a'}\n", "not valid JSON", 1),
        Bad("name without quotes", "jsonl", "{text:\"a\"}\n", "not valid JSON", 1),
        Bad("comment", "jsonl", "// data\n{\"text\":\"a\"}\n", "not valid JSON", 1),
        Ok("two objects on a line", "jsonl", "{\"text\":\"a\"}{\"text\":\"b\"}\n", 2),
        Bad("comma between lines", "jsonl", "{\"text\":\"a\"},\n{\"text\":\"b\"}\n", "not valid JSON", 1),
        Ok("indented JSON", "jsonl", "{\n \"text\":\"a\"\n}\n{\"text\":\n\"b\"}", 2),
        Ok("array on a line", "jsonl", "[{\"text\":\"a\"}]\n", 1),
        Bad("indented JSON, cut off", "jsonl", "{\n \"text\":\"a\"\n}\n{\n\"text\":", "not valid JSON", 4),
        Bad("string on a line", "jsonl", "{\"text\":\"a\"}\n\"b\"\n", "not a JSON object", 2),
        Bad("number on a line", "jsonl", "7\n", "not a JSON object", 1),
        Bad("null on a line", "jsonl", "null\n", "not a JSON object", 1),
        Bad("NaN", "jsonl", "{\"text\":\"a\",\"label\":NaN}\n", "not valid JSON", 1),
        Bad("number too large", "jsonl", "{\"text\":\"a\",\"label\":1e999}\n", "too large", 1),
        Bad("half a surrogate pair", "jsonl", "{\"text\":\"a\"}\n{\"text\":\"\\ud83d\"}\n", "surrogate", 2),
        Bad("half a surrogate pair in a name", "jsonl", "{\"\\udc00\":\"a\"}\n", "surrogate", 1),
        Bad("name twice", "jsonl", "{\"text\":\"a\",\"text\":\"b\"}\n", "appears twice", 1),
        Bad("bare tab in a text", "jsonl", "{\"text\":\"a\tb\"}\n", "not valid JSON", 1),
        Bad("NUL bytes", "jsonl", "{\"text\":\"a\"}\n\0\0\0\0\n", "not valid JSON", 2),
        Bad("Latin-1", "jsonl", "{\"text\":\"ok\"}\n{\"text\":\"caf\u00E9\"}\n", "not UTF-8: byte 13 is 0xE9", 2),
        Bad("overlong UTF-8", "jsonl", "{\"text\":\"\u00C0\u00AF\"}\n", "not UTF-8", 1),
        Bad("UTF-8 cut off in a character", "jsonl", "{\"text\":\"\u00F0\u009F\u0098", "not UTF-8", 1),
        Bad("surrogate as UTF-8", "jsonl", "{\"text\":\"\u00ED\u00A0\u0080\"}\n", "not UTF-8", 1),
        Bad("UTF-16, little end first", "jsonl", "\u00FF\u00FE{\0}\0", "(none) are no known shape"),
        Bad("UTF-16, big end first", "jsonl", "\u00FE\u00FF\0{\0}", "(none) are no known shape"),
        Bad("UTF-16, half of a pair", "jsonl", "\u00FF\u00FE{\0\0\u00D8}\0", "not in utf-16"),
        Bad("Python literals", "jsonl", "{'text': 'a', 'label': None}\n", "json.dumps", 1),
        Bad("lists 100,000 deep", "jsonl", "{\"text\":" + new string('[', 100_000) + "\n", "not valid JSON", 1),
        Bad("git-lfs pointer", "jsonl", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
            "git lfs pull"),
        Bad("gzip of nothing", "jsonl", "\u001F\u008B\u0008\0\0\0", "no records"),
        Bad("gzip of noise", "jsonl", "\u001F\u008B\u0008\0\0\0\0\0\0\u0003\u00FF\u00FF\u00FF\u00FF",
            "gzip file is broken"),
        Bad("zip", "jsonl", "PK\u0003\u0004....", "zip"),
        Bad("Parquet", "jsonl", "PAR1....", "Parquet"),
        Bad("web page", "jsonl", "<!doctype html><html></html>", "web page"),
        Bad("no known field", "jsonl", "{\"colour\":\"a\",\"shape\":\"b\"}\n", "colour, shape are no known shape",
            1),
        Bad("no field at all", "jsonl", "{}\n", "(none) are no known shape", 1),
        Bad("text is null", "jsonl", "{\"text\":null}\n", "text (null) are no known shape", 1),
        Bad("text is a number", "jsonl", "{\"text\":\"a\"}\n{\"text\":5}\n", "must be a text, not 5", 2),
        Bad("text is a list", "jsonl", "{\"text\":[\"a\"]}\n", "must be a text", 1),
        Bad("label lacks later", "jsonl", "{\"text\":\"a\",\"label\":1}\n{\"text\":\"b\"}\n",
            "looks like text (it has text)", 2),
        Bad("label is null later", "jsonl", "{\"text\":\"a\",\"label\":1}\n{\"text\":\"b\",\"label\":null}\n",
            "label (null)", 2),
        Bad("label is an object", "jsonl", "{\"text\":\"a\",\"label\":{}}\n", "'label' must be", 1),
        Bad("label is a list of lists", "jsonl", "{\"text\":\"a\",\"label\":[[1]]}\n", "'label' must be", 1),
        Bad("more tags than tokens", "jsonl", "{\"tokens\":[\"a\"],\"tags\":[\"O\",\"O\"]}\n", "1 tokens, but 2 tags",
            1),
        Bad("no tokens", "jsonl", "{\"tokens\":[],\"tags\":[]}\n", "no tokens", 1),
        Bad("tokens is a text", "jsonl", "{\"tokens\":\"a b\",\"tags\":[\"O\"]}\n", "'tokens' must be a list", 1),
        Bad("a token is a number", "jsonl", "{\"tokens\":[1],\"tags\":[\"O\"]}\n", "'tokens[]' must be a text", 1),
        Bad("messages is empty", "jsonl", "{\"messages\":[]}\n", "list of messages", 1),
        Bad("a message is a text", "jsonl", "{\"messages\":[\"hello\"]}\n", "do not say who speaks", 1),
        Bad("a message has no role", "jsonl", "{\"messages\":[{\"content\":\"a\"}]}\n", "Message 1 has no role", 1),
        Bad("a message has no content", "jsonl",
            "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\"}]}\n",
            "Message 2 has no content", 1),
        Bad("the content is a number", "jsonl", "{\"messages\":[{\"role\":\"user\",\"content\":4}]}\n",
            "neither text nor", 1),
    ];

    private static IEnumerable<HostileFile> Json() =>
    [
        Ok("array", "json", "[{\"text\":\"a\"},\n {\"text\":\"b\"}]", 2),
        Ok("object with one array", "json", "{\"version\":\"1\",\"data\":[{\"text\":\"a\"}],\"n\":{\"x\":[1]}}", 1),
        Ok("byte order mark and indentation", "json",
            "\u00EF\u00BB\u00BF[\r\n  {\r\n    \"text\": \"a\"\r\n  }\r\n]\r\n", 1),
        Ok("objects one after the other", "json", "{\n\"text\":\"a\"}\n{\"text\":\"b\"} {\"text\":\"c\"}", 3),
        Ok("arrays named train and test", "json",
            "{\"test\":[{\"text\":\"a\"}],\"train\":[{\"text\":\"a\"},{\"text\":\"b\"}]}", 2),
        Bad("comma at the end of an array", "json", "[{\"text\":\"a\"},\n]", "comma stands before the end", 2),
        Bad("no comma between records", "json", "[{\"text\":\"a\"}\n{\"text\":\"b\"}]",
            "comma between two records", 2),
        Ok("JSON Lines by another name", "json", "{\"text\":\"a\"}\n{\"text\":\"b\"}\n{\"text\":\"c\"}\n", 3),
        Bad("empty", "json", "", "holds no records"),
        Bad("white space", "json", " \n ", "holds no records"),
        Bad("empty array", "json", "[]", "holds no records"),
        Bad("cut off", "json", "[{\"text\":\"a\"},\n{\"text\":", "not valid JSON", 2),
        Bad("two arrays after one another", "json", "[{\"text\":\"a\"}]\n[]", "not valid JSON", 2),
        Bad("a text", "json", "\"a\"", "no array of records"),
        Bad("object without array", "json", "{\"text\":\"a\"}", "no array of records"),
        Bad("columns instead of records", "json", "{\"text\":[\"a\"],\"label\":[1]}", "several arrays: text, label"),
        Bad("array of texts", "json", "[\n\"a\"]", "not an object", 2),
        Bad("array with null", "json", "[{\"text\":\"a\"},\n\nnull]", "not an object", 3),
        Bad("name twice", "json", "[{\"text\":\"a\"},\n{\"text\":\"b\",\"text\":\"c\"}]", "appears twice", 2),
        Bad("Latin-1", "json", "[\n{\"text\":\"\u00E9\"}]", "not UTF-8", 2),
        Bad("web page", "json", "<html><body>404</body></html>", "web page"),
        Bad("record of another shape in line 4", "json",
            "[\n{\"text\":\"a\"},\n{\"text\":\"a\"},\n{\"prompt\":\"a\",\"completion\":\"b\"}]",
            "looks like prompt + completion", 4),
    ];

    private static IEnumerable<HostileFile> Delimited() =>
    [
        Ok("plain", "csv", "text,label\na,1\nb,2\n", 2),
        Ok("CRLF and byte order mark", "csv", "\u00EF\u00BB\u00BFtext,label\r\na,1\r\n", 1),
        Ok("quotes, doubled quotes, line ends inside", "csv", "text,label\n\"a \"\"b\"\",\nc\r\nd\",1\n", 1),
        Ok("quote inside a plain field", "csv", "text,label\nsay \"a\" now,1\n", 1),
        Ok("empty quoted field", "csv", "text,label\n\"\",1\n", 1),
        Ok("blank lines", "csv", "text,label\n\na,1\n\n", 1),
        Ok("tabs", "tsv", "text\tlabel\na,b\t1\n", 1),
        Ok("unquoted quotes in tsv", "tsv", "text\tlabel\nhe said \"no\tneg\n", 1),
        Bad("empty", "csv", "", "holds no records"),
        Bad("header only", "csv", "text,label\n", "holds no records"),
        Bad("too few fields", "csv", "text,label\na,1\nb\n", "1 fields, the header 2", 3),
        Bad("too many fields", "csv", "text,label\na,b,1\n", "3 fields, the header 2", 2),
        Bad("quote never closed", "csv", "text,label\na,1\n\"b,2\nc,3\n", "does not end", 3),
        Bad("text after a closing quote", "csv", "text,label\n\"a\"b,1\n", "follows the closing quote", 2),
        Bad("column twice", "csv", "text,text\na,b\n", "named 'text'", 1),
        Bad("column without a name", "csv", "text,\na,b\n", "no name", 1),
        Ok("semicolons", "csv", "text;label\na, b;1\n", 1),
        Ok("tabs in csv", "csv", "text\tlabel\na\t1\n", 1),
        Ok("commas in tsv", "tsv", "text,label\na,1\n", 1),
        Ok("bars", "csv", "text|label\na|1\n", 1),
        Bad("carriage returns alone", "csv", "text,label\ra,1\rb,2\r", "lone carriage return", 1),
        Bad("no header", "csv", "good film,1\nbad film,0\n", "are no known shape", 2),
        Bad("empty label", "csv", "text,label\na,\n", "label is empty", 2),
        Bad("Latin-1", "csv", "text,label\ncaf\u00E9,1\n", "not UTF-8", 2),
        Bad("Latin-1 in the header", "csv", "t\u00E9xt,label\na,1\n", "not UTF-8", 1),
        Bad("Excel sheet by another name", "csv", "PK\u0003\u0004", "Excel"),
    ];

    private static IEnumerable<HostileFile> Text() =>
    [
        Ok("CoNLL", "conll", "-DOCSTART- -X- O\n\n# id = 1\nEU NNP B-ORG\n# NN O\n\n\nWarm\tO\n", 2),
        Bad("CoNLL without tags", "conll", "EU\n", "has one column", 1),
        Ok("text", "txt", "To be,\r\nor not to be.\n\nThat is the question.\n", 1),
        Bad("empty", "txt", "", "holds no records"),
        Bad("blank", "txt", " \n\n", "holds no records"),
        Bad("Latin-1", "txt", "line\ncaf\u00E9\n", "not UTF-8", 2),
        Bad("unknown ending", "xlsx", "text", "Files ending in '.xlsx'"),
        Bad("no ending", "", "text", "Files ending in ''"),
    ];
}
