using PeftNative.Models.Layers;
using PeftNative.Tensors;

namespace PeftNative.Models;

/// <summary>
/// What the layers below the lowest trained one make of each sequence, kept from epoch to epoch: nothing there changes,
/// so the second time the stream is copied instead of computed, bit for bit the same. Layers with a trained or random
/// part are never left out. One thread at a time.
/// </summary>
/// <param name="model">The model; a model with an encoder and a decoder is always computed whole.</param>
public sealed class FrozenLayerCache(TransformerModel model) : IDisposable
{
    private readonly Arena arena = new(model.Backend, "outputs of frozen layers");
    private readonly Dictionary<object, Tensor> kept = new(ReferenceEqualityComparer.Instance);
    private IReadOnlyList<object> sequences = [];

    /// <summary>Bytes that a number of tokens takes.</summary>
    public static long BytesFor(TransformerModel model, long tokens) =>
        checked(tokens * model.Config.HiddenSize * model.Backend.ComputeType.Size());

    /// <summary>Passes that did not compute the frozen layers.</summary>
    public long Hits { get; private set; }

    /// <summary>
    /// Names the sequences of the pass that follows, by objects that stand for them in every epoch: what has the same
    /// name must have the same tokens.
    /// </summary>
    public void Select(IReadOnlyList<object> names) => sequences = names;

    /// <summary>
    /// Makes the stream of the pass from what was kept; absent where a sequence is met for the first time.
    /// </summary>
    internal Tensor Restore(Pass pass)
    {
        if (sequences.Count != pass.Rows.SequenceCount)
            throw new InvalidOperationException("the cache of frozen layers was not told the sequences of the pass");
        foreach (var name in sequences)
            if (!kept.ContainsKey(name)) return default;
        var x = pass.Memory.NewActivation(pass.Rows.Count, model.Config.HiddenSize);
        for (var s = 0; s < sequences.Count; s++) pass.Backend.Copy(kept[sequences[s]], RowsOf(pass, x, s));
        Hits++;
        return x;
    }

    /// <summary>Keeps the sequences of the pass that are new.</summary>
    internal void Keep(Pass pass, in Tensor x)
    {
        for (var s = 0; s < sequences.Count; s++)
        {
            if (kept.ContainsKey(sequences[s])) continue;
            var rows = RowsOf(pass, x, s);
            var copy = arena.Allocate(x.Type, rows.Rows, rows.Columns);
            pass.Backend.Copy(rows, copy);
            kept.Add(sequences[s], copy);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => arena.Dispose();

    private static Tensor RowsOf(Pass pass, in Tensor x, int sequence) =>
        x.RowRange(pass.Rows.Offsets[sequence], pass.Rows.Offsets[sequence + 1] - pass.Rows.Offsets[sequence]);
}
