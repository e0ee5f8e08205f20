using System.Text.Json;
using PeftNative.Tokenizers.Files.Parts;
using PeftNative.Tokenizers.Models;

namespace PeftNative.Tokenizers.Files;

/// <summary>Reads the "model" of tokenizer.json.</summary>
internal static class ModelReader
{
    /// <summary>Reads a model of any kind.</summary>
    public static TokenModel Read(JsonNodeAt node) => (node.Text("type") ?? GuessKind(node)) switch
    {
        "BPE" => ReadBpe(node),
        "WordPiece" => new WordPieceModel(
            ReadVocabulary(node.Need("vocab")), node.Text("unk_token", "[UNK]")!,
                node.Text("continuing_subword_prefix", "##")!,
            node.Get("max_input_chars_per_word")?.AsInt(0, int.MaxValue) ?? 100, node.Where),
        "WordLevel" => new WordLevelModel(ReadVocabulary(node.Need("vocab")), node.Text("unk_token", "<unk>")!),
        "Unigram" => ReadUnigram(node),
        var kind => throw node.Error($"has a model of the unknown type \"{kind}\""),
    };

    /// <summary>Reads a map of tokens to ids.</summary>
    public static Vocabulary ReadVocabulary(JsonNodeAt node)
    {
        var ids = new Dictionary<string, int>();
        foreach (var (token, id) in node.Entries())
        {
            ids[Limits.CheckToken(token, node.Where)] = id.AsInt(0, Limits.MaxId);
            Limits.CheckCount(ids.Count, node.Where);
        }
        return new(ids);
    }

    // Files of older versions have no type.
    private static string GuessKind(JsonNodeAt node) => node.Get("merges") is not null ? "BPE"
        : node.Need("vocab").Element.ValueKind == JsonValueKind.Array ? "Unigram"
        : node.Get("continuing_subword_prefix") is not null ? "WordPiece" : "WordLevel";

    private static BpeModel ReadBpe(JsonNodeAt node)
    {
        var options = new BpeOptions(
            node.Text("unk_token"), node.Text("continuing_subword_prefix"), node.Text("end_of_word_suffix"),
            node.Bool("fuse_unk", false), node.Bool("byte_fallback", false), node.Bool("ignore_merges", false));
        var merges = new List<(string, string)>();
        foreach (var merge in node.Need("merges").Items())
        {
            if (merge.Element.ValueKind == JsonValueKind.String)
            {
                if (merge.AsText() is var line && !line.StartsWith("#version", StringComparison.Ordinal))
                    merges.Add(SplitMerge(line, merge.Where));
            }
            else if (merge.Items().ToArray() is [var left, var right]) merges.Add((left.AsText(), right.AsText()));
            else throw merge.Error("has a merge that is not of two tokens");
            Limits.CheckCount(merges.Count, node.Where);
        }
        return new(ReadVocabulary(node.Need("vocab")), merges, options, node.Where);
    }

    /// <summary>Splits a merge written as two tokens with a space between.</summary>
    public static (string Left, string Right) SplitMerge(string line, string where)
    {
        var space = line.IndexOf(' ');
        return space >= 0 && line.IndexOf(' ', space + 1) < 0 ? (line[..space], line[(space + 1)..])
            : throw new ModelFormatException("A merge is not two tokens with one space between.", where);
    }

    private static UnigramModel ReadUnigram(JsonNodeAt node)
    {
        var pieces = new List<(string, double)>();
        foreach (var entry in node.Need("vocab").Items())
        {
            if (entry.Items().ToArray() is not [var token, var score])
                throw entry.Error("has a vocabulary entry that is not a token and a score");
            pieces.Add((Limits.CheckToken(token.AsText(), entry.Where), score.AsNumber()));
            Limits.CheckCount(pieces.Count, node.Where);
        }
        var unknown = node.Get("unk_id")?.AsInt(0, Math.Max(0, pieces.Count - 1)) ?? -1;
        if (unknown >= pieces.Count) throw node.Error("has an unk_id outside its vocabulary");
        return new(pieces, unknown, node.Bool("byte_fallback", false));
    }
}
