using PeftNative.Tokenizers.Files.Parts;
using PeftNative.Tokenizers.Templates;

namespace PeftNative.Tokenizers.Files;

/// <summary>
/// Reads the "post_processor" of tokenizer.json; every kind comes down to a template and the trimming of offsets.
/// </summary>
internal static class TemplateReader
{
    /// <summary>Reads a post-processor, or none.</summary>
    public static PostProcessing Read(JsonNodeAt? node) =>
        node is { } present ? Add(present, new(Template.Plain, []), 0) : new(Template.Plain, []);

    private static PostProcessing Add(JsonNodeAt node, PostProcessing so, int depth)
    {
        switch (node.Text("type"))
        {
            case "Sequence":
                if (depth > 8) throw node.Error("has post-processors nested too deeply");
                foreach (var child in node.Need("processors").Items()) so = Add(child, so, depth + 1);
                return so;
            case "ByteLevel":
                return Trim(node, so);
            case "TemplateProcessing":
                CheckFirst(node, so);
                return so with { Template = ReadTemplate(node) };
            case "BertProcessing":
                CheckFirst(node, so);
                return so with { Template = Around(node, 1, 1) };
            case "RobertaProcessing":
                CheckFirst(node, so);
                return Trim(node, so with { Template = Around(node, 0, 2) });
            case var type: throw node.Error($"has a post-processor of the unknown type \"{type}\"");
        }
    }

    private static void CheckFirst(JsonNodeAt node, PostProcessing so)
    {
        if (so.Template != Template.Plain) throw node.Error("has two templates in its post-processor");
    }

    private static PostProcessing Trim(JsonNodeAt node, PostProcessing so) =>
        node.Bool("trim_offsets", true) ? so with { Trims = [.. so.Trims, node.Bool("add_prefix_space", true)] } : so;

    private static Template Around(JsonNodeAt node, byte secondType, int separators) =>
        Template.Around(TokenId(node.Need("cls")), TokenId(node.Need("sep")), secondType, separators);

    private static int TokenId(JsonNodeAt node) =>
        node.Items().ToArray() is [_, var id] ? id.AsInt(0, Limits.MaxId)
            : throw node.Error("is not a token and its id");

    private static Template ReadTemplate(JsonNodeAt node)
    {
        var special = new Dictionary<string, int[]>();
        if (node.Get("special_tokens") is { } tokens)
        {
            foreach (var (name, token) in tokens.Entries())
            {
                special[name] = [.. token.Need("ids").Items().Select(id => id.AsInt(0, Limits.MaxId))];
            }
        }
        var single = node.Need("single").Items().Select(p => ReadPiece(p, special)).ToArray();
        if (single.Any(p => p.Source == 1)) throw node.Error("has a template for one text that asks for a second");
        return new(single, [.. node.Need("pair").Items().Select(p => ReadPiece(p, special))]);
    }

    private static TemplatePiece ReadPiece(JsonNodeAt node, Dictionary<string, int[]> special)
    {
        if (node.Get("Sequence") is { } sequence)
        {
            var source = sequence.Need("id").AsText() switch { "A" => 0, "B" => 1, _ =>
                throw sequence.Error("names an unknown sequence") };
            return new(source, Type(sequence), []);
        }
        var token = node.Need("SpecialToken");
        return new(-1, Type(token), special.GetValueOrDefault(token.Need("id").AsText())
            ?? throw token.Error("uses a special token it does not define"));
    }

    private static byte Type(JsonNodeAt node) => (byte)node.Need("type_id").AsInt(0, 255);
}
