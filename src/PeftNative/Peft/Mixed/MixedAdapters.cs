using PeftNative.Models;
using PeftNative.Models.Layers;
using PeftNative.Models.Weights;
using PeftNative.Peft.Adapters;

namespace PeftNative.Peft.Mixed;

/// <summary>
/// One batch whose sequences use different adapters, or none: list it alone in a pass. The base's products run once
/// over all rows; low-rank pairs are confined to their rows, and what cannot be confined (scales, trained heads, DoRA)
/// runs again on its rows. For use, not for training. Owns no adapter. Used by one thread at a time, like its backend.
/// </summary>
public sealed class MixedAdapters : AttachmentSet
{
    private readonly MixedLinear?[] linears;
    private readonly MixedBlock?[] blocks;
    private readonly IReadOnlyList<Adapter?> bySequence;

    internal override bool IsDisposed => bySequence.Any(a => a is { IsDisposed: true });

    /// <summary>Combines adapters of one model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="bySequence">The adapter of each sequence of the batch; null for the base alone.</param>
    /// <exception cref="UsageException">An adapter is of another model, is merged, or does something that cannot be
    /// confined to its rows.</exception>
    public MixedAdapters(TransformerModel model, IReadOnlyList<Adapter?> bySequence)
    {
        this.bySequence = bySequence;
        var adapters = bySequence.OfType<Adapter>().Distinct().ToList();
        foreach (var adapter in adapters) Check(model, adapter);
        linears = [.. model.Linears.Select(site =>
            adapters.Any(a => MixedLinear.IsAt(a, site))
                ? new MixedLinear(this, site, site.Depth == model.Blocks.Count) : null)];
        blocks = [.. Enumerable.Range(0, model.Blocks.Count).Select(depth =>
            adapters.Any(a => a.AtBlock(depth) is not null) ? new MixedBlock(this, depth) : null)];
    }

    /// <summary>A batch by names of adapters, as PEFT's adapter_names: "__base__" is none.</summary>
    /// <exception cref="UsageException">A name is unknown.</exception>
    public static MixedAdapters ByName(TransformerModel model, IReadOnlyDictionary<string, Adapter> adapters,
        IEnumerable<string> names) =>
        new(model,
            [.. names.Select(name => name == "__base__" ? null : adapters.TryGetValue(name, out var adapter) ? adapter
            : throw new UsageException($"There is no adapter '{name}'.",
                remedy: $"There are: {string.Join(", ", adapters.Keys.Append("__base__"))}."))]);

    /// <inheritdoc/>
    internal override bool DependsOnRowNumbers => true;

    /// <inheritdoc/>
    public override string Name => "mixed";

    /// <inheritdoc/>
    public override IReadOnlyList<Parameter> Trainables => [];

    /// <inheritdoc/>
    public override ILinearAttachment? AtLinear(int site) => linears[site];

    /// <inheritdoc/>
    public override IBlockAttachment? AtBlock(int depth) => blocks[depth];

    /// <inheritdoc/>
    public override void BeforeForward(Pass pass)
    {
        if (pass.IsTraining)
            throw new UsageException("A mixed batch cannot be trained.",
                remedy: "Train the adapters one after the other.");
        if (pass.Adapters.InForce.Count != 1)
            throw new UsageException("A mixed batch needs to be the only adapter of its pass.");
        if (pass.Rows.SequenceCount != bySequence.Count)
            throw new UsageException($"{bySequence.Count} adapters are named for {pass.Rows.SequenceCount} sequences.",
                remedy: "Name one per sequence.");
    }

    /// <summary>The runs of rows that share an adapter; rows of the base alone are left out.</summary>
    /// <param name="pass">The pass.</param>
    /// <param name="picked">The rows of the stream that the operand's rows are; empty when it is the whole
    /// stream.</param>
    internal List<(Adapter Adapter, int First, int Count)> Runs(Pass pass, ReadOnlySpan<int> picked)
    {
        var runs = new List<(Adapter Adapter, int First, int Count)>();
        for (int row = 0, sequence = 0, count = picked.IsEmpty ? pass.Rows.Count : picked.Length; row < count; row++)
        {
            var place = picked.IsEmpty ? row : picked[row];
            if (place < pass.Rows.Offsets[sequence]) sequence = 0; // picked rows may be in any order
            while (place >= pass.Rows.Offsets[sequence + 1]) sequence++;
            if (bySequence[sequence] is not { } adapter) continue;
            if (runs.Count > 0 && runs[^1] is var last && last.Adapter == adapter && last.First + last.Count == row)
                runs[^1] = last with { Count = last.Count + 1 };
            else runs.Add((adapter, row, 1));
        }
        return runs;
    }

    /// <summary>Whether an adapter can share a batch with others: its changes can be confined to its rows.</summary>
    public static bool CanMix(TransformerModel model, Adapter adapter) => Obstacle(model, adapter) is null;

    private static void Check(TransformerModel model, Adapter adapter)
    {
        if (Obstacle(model, adapter) is { } obstacle) throw obstacle;
    }

    private static UsageException? Obstacle(TransformerModel model, Adapter adapter)
    {
        if (adapter.Model != model)
            return new UsageException($"The adapter '{adapter.Name}' was made for another model.");
        if (adapter.IsMerged)
            return new UsageException($"The adapter '{adapter.Name}' is merged into the base.",
                remedy: "Unmerge it first.");
        if (adapter.VirtualTokens is not null || adapter.Prefix is not null)
            return new UsageException(
                $"The adapter '{adapter.Name}' changes the length of its sequences and cannot be mixed with others.",
                remedy: "Run its sequences in a batch of their own.");
        var linear = model.Linears.SelectMany(l => new[] { l.Weight, l.Bias }).OfType<Parameter>().Select(p => p.Index)
            .ToHashSet();
        var others = model.Parameters.Where(p => adapter.Replacement(p.Index) is not null
            && !linear.Contains(p.Index)).ToList();
        return adapter.AtEmbedding is null && others.Count == 0 ? null : new UsageException(
            $"The adapter '{adapter.Name}' changes {(others.Count > 0 ? others[0].Name : "the token embedding")}, "
                + "which all rows of a batch share.",
            remedy: "Run its sequences in a batch of their own.");
    }
}
