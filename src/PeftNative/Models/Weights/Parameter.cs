using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Models.Weights;

/// <summary>
/// A named matrix of numbers the model computes with: a weight of the base, or one an adapter trains. Owned by the
/// model or the adapter that made it. Used by one thread at a time, like its backend.
/// </summary>
public sealed class Parameter(string name, int rows, int columns, StoredLayout layout)
{
    /// <summary>Full name in the Hugging Face module tree, e.g. model.layers.0.self_attn.q_proj.weight.</summary>
    public string Name { get; } = name;

    /// <summary>Rows; 1 for vectors.</summary>
    public int Rows { get; } = rows;

    /// <summary>Columns.</summary>
    public int Columns { get; } = columns;

    /// <summary>How files store it.</summary>
    public StoredLayout Layout { get; } = layout;

    /// <summary>How files store it where it is not quantised, which may differ (GPT-2's Conv1D).</summary>
    internal StoredLayout DenseLayout { get; init; } = layout;

    /// <summary>
    /// The sub-block it belongs to, counted from the bottom (the encoder's first); -1 for embeddings, the number of
    /// sub-blocks for what comes after. What several layers share belongs to the lowest.
    /// </summary>
    public int Depth { get; internal init; }

    /// <summary>Place in the model's list of parameters; -1 for parameters of an adapter.</summary>
    public int Index { get; internal set; } = -1;

    /// <summary>The numbers [rows, columns]; absent where they are quantised.</summary>
    public Tensor Value { get; internal set; }

    /// <summary>
    /// Counts how often its numbers were about to change in place. Who keeps what is made of them compares it.
    /// </summary>
    internal int Changes { get; set; }

    /// <summary>The numbers of a frozen weight in 4 or 8 bits each, in place of <see cref="Value"/>; or null.</summary>
    public QuantizedWeight? Quantized { get; internal set; }

    /// <summary>Their gradient; absent for frozen parameters.</summary>
    public Tensor Gradient { get; internal set; }

    /// <summary>
    /// The parameter whose numbers this one shares (a tied head), or null; its own <see cref="Value"/> does not count
    /// then.
    /// </summary>
    public Parameter? TiedTo { get; internal set; }

    /// <summary>Number of elements.</summary>
    public long Count => (long)Rows * Columns;

    /// <summary>The module the parameter belongs to: its name without the last part.</summary>
    public string Module => Name[..Math.Max(0, Name.LastIndexOf('.'))];

    /// <summary>Shape as files store it.</summary>
    public long[] StoredShape => ShapeIn(Layout);

    /// <summary>Shape in a layout of files.</summary>
    internal long[] ShapeIn(StoredLayout layout) => layout switch
    {
        StoredLayout.Vector => [Columns],
        StoredLayout.Transposed => [Columns, Rows],
        StoredLayout.Column => [Columns, 1],
        _ => [Rows, Columns],
    };

    /// <summary>The numbers themselves; quantised ones are made whole in memory of an arena.</summary>
    internal Tensor Dense(IBackend backend, Arena scratch)
    {
        if (Quantized is not { } quantized) return Value;
        var values = scratch.Allocate(backend.ComputeType, Rows, Columns);
        backend.Forward(quantized.Op with { Y = values });
        return values;
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Name} [{string.Join(", ", StoredShape)}]";
}
