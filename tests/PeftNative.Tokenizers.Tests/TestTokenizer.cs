using System.Text.Json;
using System.Text.Json.Nodes;

namespace PeftNative.Tokenizers.Tests;

/// <summary>Small tokenizers written for one test.</summary>
internal static class TestTokenizer
{
    /// <summary>A byte-level BPE model without any merges: one token for each byte.</summary>
    public const string ByteModel = """{"type":"BPE","vocab":BYTES,"merges":[]}""";

    /// <summary>A word model of a few words.</summary>
    public const string Words =
        """{"type":"WordLevel","unk_token":"?","vocab":{"?":0,"a":1,"b":2,"ab":3,"x":4,"[X]":5,"foo":6}}""";

    /// <summary>tokenizer.json of some parts, each a JSON text.</summary>
    public static string Json(
        string model, string preTokenizer = "null", string normalizer = "null", string added = "[]",
            string processor = "null",
        string decoder = "null") =>
        $$"""
        {"version":"1.0","truncation":null,"padding":null,"added_tokens":{{added}},"normalizer":{{normalizer}},
        "pre_tokenizer":{{preTokenizer}},"post_processor":{{processor}},"decoder":{{decoder}},
        "model":{{model.Replace("BYTES", ByteVocabulary())}}}
        """;

    /// <summary>An entry of added_tokens.</summary>
    public static string Added(string content, bool singleWord = false, bool lstrip = false, bool rstrip = false,
        bool special = false) =>
        new JsonObject
        {
            ["id"] = 0, ["content"] = content, ["single_word"] = singleWord, ["lstrip"] = lstrip, ["rstrip"] = rstrip,
                ["normalized"] = false,
            ["special"] = special,
        }.ToJsonString();

    /// <summary>Loads tokenizer.json from a text, with a tokenizer_config.json if one is given.</summary>
    public static HfTokenizer Load(string json, string? config = null) =>
        InFolder(folder =>
        {
            File.WriteAllText(Path.Combine(folder, "tokenizer.json"), json);
            if (config is not null) File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"), config);
            return HfTokenizer.Load(folder);
        });

    /// <summary>Runs an action with a new folder, which is removed afterwards.</summary>
    public static T InFolder<T>(Func<string, T> action)
    {
        var folder = Directory.CreateTempSubdirectory("peftnative-tokenizer-").FullName;
        try
        {
            return action(folder);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>The texts of the tokens of a text, cut out of the text by their offsets.</summary>
    public static string[] Pieces(this HfTokenizer tokenizer, string text)
    {
        var encoding = tokenizer.EncodeText(text, null, new() { AddSpecialTokens = false });
        return [.. encoding.Starts.Zip(encoding.Ends, (start, end) => text[start..end])];
    }

    private static string ByteVocabulary()
    {
        var vocabulary = new Dictionary<string, int>();
        for (var b = 0; b < 256; b++) vocabulary[Text.ByteAlphabet.CharOf((byte)b).ToString()] = b;
        return "{" + string.Join(',',
            vocabulary.Select(v => $"{JsonEncodedText.Encode(v.Key).ToString().Insert(0, "\"")}\":{v.Value}")) + "}";
    }
}
