using System.Diagnostics.CodeAnalysis;
using PeftNative.Models.Steps;
using PeftNative.Models.Weights;

namespace PeftNative.Models.Layers;

/// <summary>
/// The adapters in force in a pass, and what they come to together: parameters, what stands in front, how far down
/// anything is trained. Used by one thread at a time, like its backend.
/// </summary>
public sealed class ActiveAdapters
{
    private readonly int blocks;
    private readonly List<ITokenRows> tokenRows = [];

    internal ActiveAdapters(int blocks, IReadOnlyList<AttachmentSet> inForce) =>
        (this.blocks, InForce) = (blocks, inForce);

    /// <summary>The adapters, in their order; may be exchanged between passes.</summary>
    public IReadOnlyList<AttachmentSet> InForce { get; set; }

    /// <summary>
    /// Depth of the lowest sub-block with a trained parameter when the pass began; -1 for the embeddings, the number of
    /// sub-blocks for the head alone.
    /// </summary>
    public int LowestTrainedDepth { get; private set; }

    /// <summary>Virtual tokens in front of every sequence, or null.</summary>
    /// <exception cref="UsageException">Two adapters bring them.</exception>
    internal IVirtualTokens? VirtualTokens => Single(set => set.VirtualTokens, "virtual tokens");

    /// <summary>The prefix in front of every sequence, or null.</summary>
    /// <exception cref="UsageException">Two adapters bring one.</exception>
    internal IPrefix? Prefix => Single(set => set.Prefix, "a prefix");

    /// <summary>The rows that they have for tokens, as of when the pass began.</summary>
    internal IReadOnlyList<ITokenRows> TokenRows => tokenRows;

    /// <summary>The adapters themselves.</summary>
    internal Found<AttachmentSet> Each => new(InForce, 0, static (set, _) => set);

    /// <summary>What they have at the embedding.</summary>
    internal Found<IEmbeddingAttachment> AtEmbedding => new(InForce, 0, static (set, _) => set.AtEmbedding);

    /// <summary>What they have at a linear layer.</summary>
    internal Found<ILinearAttachment> AtLinear(int site) =>
        new(InForce, site, static (set, site) => set.AtLinear(site));

    /// <summary>What they have at the output of a sub-block.</summary>
    internal Found<IBlockAttachment> AtBlock(int depth) =>
        new(InForce, depth, static (set, depth) => set.AtBlock(depth));

    /// <summary>Looks at them for the pass that begins.</summary>
    /// <exception cref="ObjectDisposedException">One of them has been disposed.</exception>
    internal void Begin()
    {
        LowestTrainedDepth = blocks;
        tokenRows.Clear();
        foreach (var set in Each)
        {
            ObjectDisposedException.ThrowIf(set.IsDisposed, set);
            if (set.AtEmbedding is { OwnRows: > 0 } rows) tokenRows.Add(rows);
            var trainables = set.Trainables;
            for (var i = 0; i < trainables.Count; i++)
                if (trainables[i].Gradient.IsPresent)
                    LowestTrainedDepth = Math.Min(LowestTrainedDepth, trainables[i].Depth);
        }
    }

    /// <summary>
    /// The parameter in force: an adapter's copy, or the model's own. A copy stands for the one parameter it was made
    /// of: where a tied embedding is replaced, the head stays the model's, unless the adapter replaces that too.
    /// </summary>
    [return: NotNullIfNotNull(nameof(parameter))]
    public Parameter? Resolve(Parameter? parameter)
    {
        if (parameter is null) return null;
        for (var i = InForce.Count - 1; i >= 0; i--)
            if (InForce[i].Replacement(parameter.Index) is { } replacement) return replacement;
        return parameter.TiedTo ?? parameter;
    }

    /// <summary>Whether the parameter in force has a gradient.</summary>
    public bool IsTrained(Parameter? parameter) => Resolve(parameter)?.Gradient.IsPresent ?? false;

    private T? Single<T>(Func<AttachmentSet, T?> member, string what) where T : class
    {
        T? found = null;
        foreach (var set in Each)
            if (member(set) is { } value)
                found = found is null ? value
                    : throw new UsageException($"Two active adapters bring {what}; only one can stand in front.");
        return found;
    }
}

/// <summary>What adapters have at a place, in the order of the adapters; walks over it take no memory.</summary>
internal struct Found<T>(IReadOnlyList<AttachmentSet> sets, int place, Func<AttachmentSet, int, T?> at) where T : class
{
    private int next;

    /// <summary>Whether there is anything.</summary>
    public readonly bool Any => GetEnumerator().MoveNext();

    /// <summary>The one that the walk stands at.</summary>
    public T Current { get; private set; } = null!;

    /// <summary>A walk from the beginning.</summary>
    public readonly Found<T> GetEnumerator() => new(sets, place, at);

    /// <summary>Goes on to the next one; false at the end.</summary>
    public bool MoveNext()
    {
        while (next < sets.Count)
            if (at(sets[next++], place) is { } found)
            {
                Current = found;
                return true;
            }
        return false;
    }
}
