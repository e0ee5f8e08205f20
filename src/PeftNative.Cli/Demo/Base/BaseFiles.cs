using System.Text.Json.Nodes;
using PeftNative.Cli.Demo.Text;
using PeftNative.Formats.Json;
using PeftNative.Formats.Safetensors;
using PeftNative.Formats.Storage;
using PeftNative.Peft.Adapters;
using PeftNative.Tensors;

namespace PeftNative.Cli.Demo.Base;

/// <summary>The files of the base, in the form Hugging Face folders have.</summary>
internal static class BaseFiles
{
    private const string Begin = "<s>", End = "</s>";
    private const int TokenizerTexts = 20_000;

    /// <summary>The most tokens it is made for.</summary>
    public const int MaxPositions = 256;

    /// <summary>Tokens of the base.</summary>
    public const int VocabularySize = 1024;

    /// <summary>The folder of the base that ships with the program.</summary>
    public static string Bundled => Path.Combine(AppContext.BaseDirectory, "demo-base");

    /// <summary>Writes config.json and the tokenizer, all that is there before the weights.</summary>
    public static void WriteBeginnings(string folder, ulong seed, int texts)
    {
        Directory.CreateDirectory(folder);
        Write(folder, "config.json", Config());
        var sample = Corpus.Pretraining(Math.Min(texts, TokenizerTexts), seed);
        Write(folder, "tokenizer.json", Tokenizer(BpeTrainer.Train(sample, VocabularySize - 2)));
        Write(folder, "tokenizer_config.json", new JsonObject
        {
            ["bos_token"] = Begin, ["eos_token"] = End, ["model_max_length"] = MaxPositions,
            ["clean_up_tokenization_spaces"] = false, ["tokenizer_class"] = "PreTrainedTokenizerFast",
        });
    }

    /// <summary>Writes the trained values as the model's weights, rounded to bf16.</summary>
    public static void WriteWeights(string folder, Adapter trained)
    {
        var writer = SafetensorsWriter.ForPyTorch();
        foreach (var (parameter, key, _, _) in trained.Entries)
        {
            var values = HostValues.Download(trained.Model.Backend, parameter.Value);
            writer.Add(key, parameter.StoredShape, values, StoredType.BF16);
        }
        writer.Save(Path.Combine(folder, "model.safetensors"));
    }

    private static JsonObject Config() => new()
    {
        ["architectures"] = new JsonArray("LlamaForCausalLM"),
        ["model_type"] = "llama",
        ["vocab_size"] = VocabularySize,
        ["hidden_size"] = 128,
        ["intermediate_size"] = 384,
        ["num_hidden_layers"] = 4,
        ["num_attention_heads"] = 4,
        ["num_key_value_heads"] = 4,
        ["head_dim"] = 32,
        ["max_position_embeddings"] = MaxPositions,
        ["hidden_act"] = "silu",
        ["rms_norm_eps"] = 1e-5,
        ["rope_theta"] = 10000.0,
        ["initializer_range"] = 0.04,
        ["tie_word_embeddings"] = true,
        ["bos_token_id"] = 0,
        ["eos_token_id"] = 1,
        ["dtype"] = "bfloat16",
    };

    private static JsonObject Tokenizer(BpeTrainer.Result bpe) => new()
    {
        ["version"] = "1.0",
        ["truncation"] = null,
        ["padding"] = null,
        ["added_tokens"] = new JsonArray(Special(0, Begin), Special(1, End)),
        ["normalizer"] = null,
        ["pre_tokenizer"] = ByteLevel(),
        ["post_processor"] = new JsonObject
        {
            ["type"] = "TemplateProcessing",
            ["single"] = new JsonArray(SpecialPiece(0), SequencePiece("A", 0)),
            ["pair"] = new JsonArray(
                SpecialPiece(0), SequencePiece("A", 0), SpecialPiece(1), SequencePiece("B", 1)),
            ["special_tokens"] = new JsonObject
            {
                [Begin] = new JsonObject
                {
                    ["id"] = Begin, ["ids"] = new JsonArray(0), ["tokens"] = new JsonArray(Begin),
                },
            },
        },
        ["decoder"] = ByteLevel(),
        ["model"] = new JsonObject
        {
            ["type"] = "BPE",
            ["dropout"] = null,
            ["unk_token"] = null,
            ["continuing_subword_prefix"] = null,
            ["end_of_word_suffix"] = null,
            ["fuse_unk"] = false,
            ["byte_fallback"] = false,
            ["ignore_merges"] = false,
            ["vocab"] = new JsonObject(bpe.Pieces.Prepend(End).Prepend(Begin)
                .Select((piece, id) => KeyValuePair.Create(piece, (JsonNode?)id))),
            ["merges"] = new JsonArray([.. bpe.Merges.Select(m => (JsonNode)new JsonArray(m.Left, m.Right))]),
        },
    };

    private static JsonObject Special(int id, string text) => new()
    {
        ["id"] = id, ["content"] = text, ["single_word"] = false, ["lstrip"] = false, ["rstrip"] = false,
        ["normalized"] = false, ["special"] = true,
    };

    private static JsonObject ByteLevel() => new()
    {
        ["type"] = "ByteLevel", ["add_prefix_space"] = true, ["trim_offsets"] = true, ["use_regex"] = true,
    };

    private static JsonObject SpecialPiece(int type) =>
        new() { ["SpecialToken"] = new JsonObject { ["id"] = Begin, ["type_id"] = type } };

    private static JsonObject SequencePiece(string which, int type) =>
        new() { ["Sequence"] = new JsonObject { ["id"] = which, ["type_id"] = type } };

    private static void Write(string folder, string name, JsonObject json) =>
        AtomicFile.WriteText(Path.Combine(folder, name), PeftJson.Write(json) + "\n");
}
