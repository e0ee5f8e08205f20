using System.Text.Json;
using System.Text.Json.Nodes;
using PeftNative.Formats.Json;
using PeftNative.Formats.Text;
using PeftNative.Models;

namespace PeftNative.Peft.Tokens;

/// <summary>
/// trainable_token_indices as PEFT has it: ids of tokens whose rows are trained, those of the token embedding, or by
/// the name of the embedding or the head. Their order is that of the rows in the file. Immutable.
/// </summary>
/// <param name="Ids">A plain list: of the token embedding; or null.</param>
/// <param name="Modules">Lists by ends of module names; or null.</param>
public sealed record TokenIndices(
    IReadOnlyList<int>? Ids, IReadOnlyList<(string Name, IReadOnlyList<int> Ids)>? Modules = null)
{
    /// <summary>Its key in adapter_config.json.</summary>
    internal const string Key = "trainable_token_indices";

    /// <summary>The module that stands around an embedding or head in PEFT, and the tensor in it.</summary>
    internal const string Wrapper = "token_adapter", Part = "trainable_tokens_delta";

    /// <summary>All ids.</summary>
    internal IEnumerable<int> All => Ids ?? Modules!.SelectMany(m => m.Ids);

    /// <summary>A plain list.</summary>
    public static TokenIndices Of(params IReadOnlyList<int> ids) => new(ids);

    /// <summary>The value of the key; null where there is none, or it is empty.</summary>
    internal static TokenIndices? Read(StrictObject json)
    {
        if (!json.Has(Key)) return null;
        return json.Element.GetProperty(Key).ValueKind switch
        {
            JsonValueKind.Array => json.GetIntList(Key) is { Count: > 0 } ids ? new TokenIndices(ids) : null,
            JsonValueKind.Object when json.GetObject(Key) is var modules => modules.Keys.Any()
                ? new TokenIndices(null, [.. modules.Keys.Select(k => (k, modules.GetIntList(k)))]) : null,
            JsonValueKind.False => null,
            _ => throw json.Error(Key, "It must be a list of token ids, or lists by names of modules.",
                """Write [5, 6], or {"embed_tokens": [5, 6]}."""),
        };
    }

    internal JsonNode ToJson() => Ids is not null ? Json(Ids)
        : new JsonObject(Modules!.Select(m => KeyValuePair.Create(m.Name, (JsonNode?)Json(m.Ids))));

    /// <summary>The ids at the token embedding and at the head of a model; null for none.</summary>
    /// <exception cref="UsageException">A name or an id is none of the model's, or an id is there twice.</exception>
    internal (IReadOnlyList<int>? Embedding, IReadOnlyList<int>? Head) For(TransformerModel model)
    {
        var (path, head) = (model.Embedding.Path, model.Task.WritesText() ? model.Head.Output!.Path : null);
        IReadOnlyList<int>? atEmbedding = Ids, atHead = null;
        foreach (var (name, ids) in Modules ?? [])
        {
            // Raw ends of names, as in PEFT.
            var matched = model.Modules.Where(m => m.Path.EndsWith(name, StringComparison.Ordinal)).ToList();
            if (matched.Count != 1 || (matched[0].Path != path && matched[0].Path != head)
                || (matched[0].Path == path ? atEmbedding : atHead) is not null)
                throw new UsageException($"{Key} names '{Message.Clip(name)}', which is not the token embedding"
                    + (head is null ? "." : " or the head."),
                    remedy: $"Give {path}{(head is null ? "" : $" or {head}")}, each once.");
            if (matched[0].Path == path) atEmbedding = ids;
            else atHead = ids;
        }
        Check(atEmbedding, path, model.Embedding.Table.Rows);
        Check(atHead, head, model.Head.Width);
        return (atEmbedding, atHead);
    }

    private static void Check(IReadOnlyList<int>? ids, string? module, int rows)
    {
        if (ids is null) return;
        if (ids.Count == 0)
            throw new UsageException($"{Key} names no token of {module}.", remedy: "Leave the module out.");
        foreach (var id in ids)
            if ((uint)id >= (uint)rows)
                throw new UsageException($"{Key} names the token {id}, and {module} has {rows} rows.",
                    remedy: $"Ids are from 0 to {rows - 1}.");
        if (ids.GroupBy(i => i).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw new UsageException($"{Key} names the token {twice.Key} of {module} twice.",
                remedy: "Name each once.");
    }

    private static JsonArray Json(IReadOnlyList<int> ids) => [.. ids.Select(i => (JsonNode)i)];
}
