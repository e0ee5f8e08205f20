using PeftNative.Models;
using PeftNative.Models.Layers;
using PeftNative.Models.Weights;

namespace PeftNative.Peft.Tokens;

/// <summary>
/// trainable_token_indices: rows of the token embedding, of the head, or of both that an adapter trains in place of the
/// base's. Of a tied pair the head reads the embedding's rows too.
/// </summary>
internal sealed class TrainedTokens : IDisposable
{
    private readonly TokenRows? embedding, head;
    private readonly bool follows;
    private readonly LinearSite? output;
    private readonly string path;
    private TokenRows? apart; // the embedding's rows in a head that came apart from it, while they are merged

    private TrainedTokens(TransformerModel model, TokenRows? embedding, TokenRows? head, bool follows)
    {
        (path, output) = (model.Embedding.Path, model.Head.Output);
        (this.embedding, this.head, this.follows) = (embedding, head, follows);
        AtEmbedding = embedding is null ? null : new TokenEmbedding(embedding);
        var atHead = head ?? (follows ? embedding : null);
        AtHead = atHead is null ? null : new TokenHead(output!, atHead);
    }

    /// <summary>The attachment at the embedding, or null.</summary>
    internal TokenEmbedding? AtEmbedding { get; }

    /// <summary>The attachment at the head, or null.</summary>
    internal TokenHead? AtHead { get; }

    /// <summary>The key that PEFT's files have for the rows of a module.</summary>
    internal static string KeyAt(string module) =>
        $"base_model.model.{module}.{TokenIndices.Wrapper}.{TokenIndices.Part}";

    /// <summary>Whether all rows are the base's.</summary>
    internal bool AreTheBases => All.All(r => r.AreTheBases);

    private IEnumerable<TokenRows> All => new[] { embedding, head }.OfType<TokenRows>();

    private IEnumerable<TokenRows> Merged => apart is null ? All : All.Append(apart);

    /// <summary>The rows that settings ask for; null for none.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tokens">The tokens, or null.</param>
    /// <param name="ensuresTie">ensure_weight_tying.</param>
    /// <param name="add">Adds a parameter at a module to the adapter.</param>
    internal static TrainedTokens? For(
        TransformerModel model, TokenIndices? tokens, bool ensuresTie, Func<string, Parameter, Parameter> add)
    {
        if (tokens is null) return null;
        var (atEmbedding, atHead) = tokens.For(model);
        var (site, output) = (model.Embedding, model.Head.Output);
        var isTied = output?.Weight.TiedTo == site.Table;
        if (isTied && ensuresTie && atHead is not null)
            throw new UsageException($"{TokenIndices.Key} names {output!.Path}, which ensure_weight_tying keeps tied "
                + $"to {site.Path}.", remedy: $"Name {site.Path} alone; the head follows it.");
        return new TrainedTokens(model, Rows(site.Path, site.Table, -1, atEmbedding),
            output is null ? null : Rows(output.Path, output.Weight, output.Weight.Depth, atHead),
            isTied && atEmbedding is not null && atHead is null);

        TokenRows? Rows(string path, Parameter weight, int depth, IReadOnlyList<int>? ids) => ids is null ? null
            : new TokenRows(model, weight, ids, add(path, new Parameter($"{path}.{TokenIndices.Part}", ids.Count,
                weight.Columns, StoredLayout.Matrix) { Depth = depth }));
    }

    /// <summary>
    /// The key of the embedding's rows, where a tensor's name is that of a tied head's, which are the same; else null.
    /// PEFT writes them where the base has grown.
    /// </summary>
    internal string? TwinOf(string name) => follows && name == KeyAt(output!.Path) ? KeyAt(path) : null;

    internal void Initialize()
    {
        foreach (var rows in All) rows.Initialize();
    }

    internal void Merge()
    {
        // A pair that came apart has the rows of both: the tensors of a grown base, say, are two in the file.
        if (follows && output!.Weight.TiedTo is null)
            apart ??= new TokenRows(output.Weight, embedding!);
        foreach (var rows in Merged) rows.Merge(follows);
    }

    internal void Unmerge()
    {
        foreach (var rows in Merged.Reverse()) rows.Unmerge(follows);
        apart?.Dispose();
        apart = null;
    }

    public void Dispose()
    {
        foreach (var rows in Merged) rows.Dispose();
    }
}
