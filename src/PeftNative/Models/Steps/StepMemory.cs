using System.Runtime.InteropServices;
using PeftNative.Models.Weights;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Models.Steps;

/// <summary>
/// All memory of a step and its peak: what is kept until the backward, what is computed again, and the one quantised
/// weight that is whole. Used again step after step, and then takes nothing from the system. Used by one thread at a
/// time, like its backend.
/// </summary>
public sealed class StepMemory : IDisposable
{
    private readonly Arena denseWeight;
    // Bytes per row of a step that keeps nothing, and what all its sub-blocks would have kept.
    private double leastPerRow, blocksPerRow;
    private long kept;

    internal StepMemory(IBackend backend)
    {
        Backend = backend;
        Arena = new Arena(backend, "step", grows: true);
        Transient = new Arena(backend, "step, computed again", grows: true);
        denseWeight = new Arena(backend, "dequantised weight");
    }

    /// <summary>Executes the operations.</summary>
    public IBackend Backend { get; }

    /// <summary>Element type of activations.</summary>
    public DType Type => Backend.ComputeType;

    /// <summary>Holds everything of the present step.</summary>
    public Arena Arena { get; }

    /// <summary>
    /// Holds what is cheaper to compute again than to keep: outputs of norms and activations. A sub-block empties it
    /// when it ends; its backward makes the same tensors in the same order, so they come to lie where the records of
    /// the forward say.
    /// </summary>
    internal Arena Transient { get; }

    /// <summary>
    /// Bytes that a training step's activations should stay within, or null. What goes beyond is dropped after the
    /// forward of its sub-block and computed again in its backward: the same bits, later. What a step cannot do without
    /// may still be more; see <see cref="PeakBytes"/>.
    /// </summary>
    public long? Budget { get; set; }

    /// <summary>The most memory a step has taken, in bytes of the backend.</summary>
    public long PeakBytes => Arena.Peak + Transient.Peak + denseWeight.Peak;

    /// <summary>Forgets the last step, which had so many rows.</summary>
    internal void Begin(int lastRows)
    {
        Arena.Reset();
        Transient.Reset();
        if (Budget is { } budget) BeginBudget(budget, lastRows);
    }

    /// <summary>An activation of the present step; its content is undefined.</summary>
    public Tensor NewActivation(int rows, int columns) => Arena.Allocate(Type, rows, columns);

    /// <summary>An activation that lives until the end of the sub-block, and is made again in its backward.</summary>
    internal Tensor NewTransient(int rows, int columns) => Transient.Allocate(Type, rows, columns);

    /// <summary>
    /// Takes the memory of a transient tensor of the forward again, in the backward of its sub-block.
    /// </summary>
    internal void TakeAgain(in Tensor transient)
    {
        if (NewTransient(transient.Rows, transient.Columns) != transient)
            throw new InvalidOperationException(
                "the backward of a sub-block takes transient memory in another order than its forward");
    }

    /// <summary>
    /// A vector, a saved statistic or a gradient of parameters of the present step; its content is undefined.
    /// </summary>
    public Tensor NewStatistic(int rows, int columns) => Arena.Allocate(Backend.ParameterType, rows, columns);

    /// <summary>Copies integers to the device for the rest of the step.</summary>
    public Tensor Upload(ReadOnlySpan<int> values, int rows, int columns)
    {
        var tensor = Arena.Allocate(DType.Int32, rows, columns);
        Backend.Upload(MemoryMarshal.AsBytes(values[..(rows * columns)]), tensor);
        return tensor;
    }

    /// <summary>
    /// What products with a weight are made of: its codes where they are to be multiplied, else its numbers.
    /// </summary>
    internal Tensor Operand(Parameter weight) =>
        weight.Quantized is { Codes.IsPresent: true } quantized ? quantized.Codes : Dense(weight);

    /// <summary>
    /// The numbers of a weight. Those of a quantised one stay until the next one is asked for, so that only one is ever
    /// there whole.
    /// </summary>
    internal Tensor Dense(Parameter weight)
    {
        if (weight.Quantized is not null) denseWeight.Reset();
        return weight.Dense(Backend, denseWeight);
    }

    /// <summary>
    /// Whether what a sub-block has kept since the mark may stay, in a step of so many rows. The first step with a
    /// budget keeps nothing, and so learns what no step can do without.
    /// </summary>
    internal bool Keeps(ArenaMark since, int rows)
    {
        if (Budget is not { } budget) return true;
        var bytes = Arena.Used - since.Total;
        if (leastPerRow == 0)
        {
            blocksPerRow += (double)bytes / rows;
            return false;
        }
        if (kept + bytes + leastPerRow * rows + denseWeight.Peak > budget) return false;
        kept += bytes;
        return true;
    }

    /// <summary>Remembers how far the step has come, for <see cref="Rewind"/>.</summary>
    internal StepMark Mark() => new(Arena.Mark(), Transient.Mark(), kept);

    /// <summary>Goes back to a mark, as if nothing had been computed since.</summary>
    internal void Rewind(StepMark mark)
    {
        Arena.Release(mark.Arena);
        Transient.Release(mark.Transient);
        kept = mark.Kept;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Arena.Dispose();
        Transient.Dispose();
        denseWeight.Dispose();
    }

    private void BeginBudget(long budget, int rows)
    {
        kept = 0;
        // The weight that is whole takes the same whatever the rows.
        if (leastPerRow == 0 && blocksPerRow > 0) leastPerRow = (double)(Arena.Peak + Transient.Peak) / rows;
        // One block from the start: in several, the ends that the next tensor does not fit into would count against
        // the budget.
        if (leastPerRow > 0)
            Arena.Reserve((long)Math.Min(budget - denseWeight.Peak, (leastPerRow + blocksPerRow) * rows));
    }
}

/// <summary>How far a step has come.</summary>
internal readonly record struct StepMark(ArenaMark Arena, ArenaMark Transient, long Kept);
