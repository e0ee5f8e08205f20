using System.Text.Json.Nodes;
using PeftNative.Backends.Reference;
using PeftNative.Formats.Safetensors;
using PeftNative.Models.Families;
using PeftNative.Models.Loading;
using PeftNative.Tensors;

namespace PeftNative.Cli.Tests;

/// <summary>
/// Makes model folders as users have them, small enough to train in a second: random weights, config.json, tokenizer.
/// </summary>
internal static class TinyModels
{
    /// <summary>A Llama of two layers over bytes.</summary>
    public static string Llama(TemporaryFolder folder, string name = "llama", bool tied = false) =>
        OverBytes(Path.Combine(folder.Root, name), $$"""
            {"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":16,"intermediate_size":24,
            "num_hidden_layers":2,"num_attention_heads":2,"num_key_value_heads":1,"vocab_size":257,
            "max_position_embeddings":128,"rms_norm_eps":1e-5,"hidden_act":"silu","rope_theta":10000.0,
            "tie_word_embeddings":{{(tied ? "true" : "false")}},"eos_token_id":256,"torch_dtype":"float32"}
            """);

    /// <summary>A T5 of two layers on either side, over bytes.</summary>
    public static string T5(TemporaryFolder folder, string name = "t5") =>
        OverBytes(Path.Combine(folder.Root, name), """
            {"architectures":["T5ForConditionalGeneration"],"model_type":"t5","d_model":16,"d_ff":24,"num_layers":2,
            "num_heads":2,"d_kv":8,"vocab_size":257,"feed_forward_proj":"gated-gelu","tie_word_embeddings":false,
            "eos_token_id":256,"decoder_start_token_id":0,"initializer_range":0.03}
            """);

    private static string OverBytes(string path, string config)
    {
        WriteConfig(path, config);
        File.WriteAllText(Path.Combine(path, "tokenizer.json"), ByteTokenizer().ToJsonString());
        File.WriteAllText(Path.Combine(path, "tokenizer_config.json"),
            """{"eos_token":"<|end|>","tokenizer_class":"PreTrainedTokenizerFast"}""");
        WriteWeights(path);
        return path;
    }

    /// <summary>A BERT of two layers without a head, over a few words and letters.</summary>
    public static string Bert(TemporaryFolder folder, string name = "bert")
    {
        var path = Path.Combine(folder.Root, name);
        var tokenizer = WordTokenizer(out var count);
        WriteConfig(path, $$"""
            {"architectures":["BertModel"],"model_type":"bert","hidden_size":16,"intermediate_size":24,
            "num_hidden_layers":2,"num_attention_heads":2,"vocab_size":{{count}},"max_position_embeddings":64,
            "type_vocab_size":2,"layer_norm_eps":1e-12,"hidden_act":"gelu","pad_token_id":0,"hidden_dropout_prob":0.0,
            "attention_probs_dropout_prob":0.0}
            """);
        File.WriteAllText(Path.Combine(path, "tokenizer.json"), tokenizer.ToJsonString());
        File.WriteAllText(Path.Combine(path, "tokenizer_config.json"),
            """
            {"cls_token":"[CLS]","sep_token":"[SEP]","pad_token":"[PAD]","unk_token":"[UNK]",
            "tokenizer_class":"BertTokenizer"}
            """);
        WriteWeights(path);
        return path;
    }

    /// <summary>Records to classify: the label follows from a word.</summary>
    public static string Labelled(TemporaryFolder folder, int count = 24, string name = "labelled.jsonl") =>
        folder.Write(name,
        string.Concat(Enumerable.Range(0, count).Select(i =>
            $$"""{"text":"the film is {{(i % 2 == 0 ? "good" : "bad")}} {{i}}","label":"{{YesOrNo(i)}}"}""" + "\n")));

    /// <summary>Prompts with completions.</summary>
    public static string Prompts(TemporaryFolder folder, int count = 24, string name = "prompts.jsonl") =>
        folder.Write(name,
        string.Concat(Enumerable.Range(0, count)
            .Select(i => $$"""{"prompt":"{{i % 7}} and {{i % 5}} is ","completion":"{{i % 7 + i % 5}}"}""" + "\n")));

    /// <summary>Texts with what to make of them.</summary>
    public static string Sources(TemporaryFolder folder, int count = 24, string name = "sources.jsonl") =>
        folder.Write(name,
        string.Concat(Enumerable.Range(0, count)
            .Select(i =>
                $$"""{"source":"{{(i % 2 == 0 ? "up" : "down")}} {{i % 5}}","target":"{{YesOrNo(i)}}"}""" + "\n")));

    private static string YesOrNo(int i) => i % 2 == 0 ? "yes" : "no";

    private static void WriteConfig(string path, string json)
    {
        Directory.CreateDirectory(path);
        File.WriteAllText(Path.Combine(path, "config.json"), json);
    }

    private static void WriteWeights(string path)
    {
        using var backend = ReferenceBackend.Create(DType.Float32);
        var config = FamilyTable.Read(path);
        using var model = ModelLoader.CreateRandom(backend,
            config with { Task = config.Task ?? ModelTask.SequenceClassification, Labels = ["a", "b"] }, seed: 7);
        var backbone = model.Family.Names.Backbone + ".";
        var writer = SafetensorsWriter.ForPyTorch();
        foreach (var p in model.Parameters.Where(p => p.TiedTo is null
            && (config.Task is not null || p.Name.StartsWith(backbone, StringComparison.Ordinal))))
        {
            // Larger than fresh weights, so that texts and adapters make a difference.
            var values = HostValues.Download(backend, p.Value);
            if (p.Rows > 1) values = Array.ConvertAll(values, v => 8 * v);
            writer.Add(p.Name, p.StoredShape, values);
        }
        writer.Save(Path.Combine(path, "model.safetensors"));
    }

    private static JsonObject ByteTokenizer()
    {
        var vocabulary = new JsonObject();
        var extra = 256;
        for (var b = 0; b < 256; b++)
        {
            var isPrintable = b is >= 33 and <= 126 or >= 161 and <= 172 or >= 174;
            vocabulary[((char)(isPrintable ? b : extra++)).ToString()] = b;
        }
        return new JsonObject
        {
            ["version"] = "1.0", ["truncation"] = null, ["padding"] = null,
            ["added_tokens"] = new JsonArray(Special(256, "<|end|>")),
            ["normalizer"] = null,
            ["pre_tokenizer"] = ByteLevel(), ["post_processor"] = ByteLevel(), ["decoder"] = ByteLevel(),
            ["model"] = new JsonObject { ["type"] = "BPE", ["vocab"] = vocabulary, ["merges"] = new JsonArray() },
        };
    }

    private static JsonObject ByteLevel() =>
        new() { ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["trim_offsets"] = true, ["use_regex"] = true };

    private static JsonObject WordTokenizer(out int count)
    {
        string[] special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
        var letters = Enumerable.Range('a', 26).Concat(Enumerable.Range('0', 10))
            .Select(c => ((char)c).ToString()).ToList();
        string[] words = [.. special, "the", "film", "is", "good", "bad", .. letters, .. letters.Select(l => "##" + l)];
        count = words.Length;
        return new JsonObject
        {
            ["version"] = "1.0", ["truncation"] = null, ["padding"] = null,
            ["added_tokens"] = new JsonArray([.. special.Select((s, i) => (JsonNode)Special(i, s))]),
            ["normalizer"] = new JsonObject { ["type"] = "BertNormalizer", ["clean_text"] = true,
                ["handle_chinese_chars"] = true, ["strip_accents"] = null, ["lowercase"] = true },
            ["pre_tokenizer"] = new JsonObject { ["type"] = "BertPreTokenizer" },
            ["post_processor"] = JsonNode.Parse("""
                {"type":"TemplateProcessing",
                "single":[{"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A","type_id":0}},
                {"SpecialToken":{"id":"[SEP]","type_id":0}}],"pair":[{"SpecialToken":{"id":"[CLS]","type_id":0}},
                {"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"[SEP]","type_id":0}},{"Sequence":{"id":"B",
                "type_id":1}},{"SpecialToken":{"id":"[SEP]","type_id":1}}],"special_tokens":{"[CLS]":{"id":"[CLS]",
                "ids":[2],"tokens":["[CLS]"]},"[SEP]":{"id":"[SEP]","ids":[3],"tokens":["[SEP]"]}}}
                """),
            ["decoder"] = new JsonObject { ["type"] = "WordPiece", ["prefix"] = "##", ["cleanup"] = true },
            ["model"] = new JsonObject
            {
                ["type"] = "WordPiece", ["unk_token"] = "[UNK]", ["continuing_subword_prefix"] = "##",
                ["max_input_chars_per_word"] = 100,
                ["vocab"] = new JsonObject(words.Select((w, i) => KeyValuePair.Create(w, (JsonNode?)i))),
            },
        };
    }

    private static JsonObject Special(int id, string content) => new()
    {
        ["id"] = id, ["content"] = content, ["single_word"] = false, ["lstrip"] = false, ["rstrip"] = false,
        ["normalized"] = false, ["special"] = true,
    };
}
