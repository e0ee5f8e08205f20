using PeftNative.Tokenizers.Decoders;
using PeftNative.Tokenizers.Files.Parts;
using PeftNative.Tokenizers.PreTokenizers;

namespace PeftNative.Tokenizers.Files;

/// <summary>Reads the "decoder" of tokenizer.json into a flat list of steps.</summary>
internal static class DecoderReader
{
    /// <summary>Reads a decoder, or none.</summary>
    public static TokenDecoder Read(JsonNodeAt? node)
    {
        if (node is not { } present) return new(null);
        var steps = new List<Decoder>();
        Add(present, steps);
        return new(steps);
    }

    private static void Add(JsonNodeAt node, List<Decoder> steps)
    {
        if (steps.Count > Limits.Components) throw node.Error("has too many decoders");
        switch (node.Text("type"))
        {
            case "Sequence":
                foreach (var child in node.Need("decoders").Items()) Add(child, steps);
                break;
            case "ByteLevel": steps.Add(new ByteLevelDecoder()); break;
            case "ByteFallback": steps.Add(new ByteFallbackDecoder()); break;
            case "Fuse": steps.Add(new FuseDecoder()); break;
            case "Strip":
                var perToken = !steps.Any(s => s is FuseDecoder or ByteLevelDecoder);
                steps.Add(new StripDecoder(
                    node.Need("content").AsText(), node.Need("start").AsInt(0, int.MaxValue),
                    node.Need("stop").AsInt(0, int.MaxValue), perToken));
                break;
            case "Replace":
                steps.Add(new ReplaceDecoder(NormalizerReader.ReadPattern(node.Need("pattern")),
                    node.Need("content").AsText()));
                break;
            case "WordPiece":
                steps.Add(new WordPieceDecoder(node.Text("prefix", "##")!, node.Bool("cleanup", true)));
                break;
            case "Metaspace":
                var drops = PreTokenizerReader.ReadScheme(node) != PrependScheme.Never;
                steps.Add(new MetaspaceDecoder(PreTokenizerReader.ReadReplacement(node), drops));
                break;
            case "BPEDecoder": steps.Add(new BpeDecoder(node.Text("suffix", "</w>")!)); break;
            case "CTC":
                steps.Add(new CtcDecoder(
                    node.Text("pad_token", "<pad>")!, node.Text("word_delimiter_token", "|")!,
                    node.Bool("cleanup", true)));
                break;
            case var type: throw node.Error($"has a decoder of the unknown type \"{type}\"");
        }
    }
}
