using PeftNative.Models.Config;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Models.Steps;

/// <summary>The rotary tables of a pass on the backend; they grow with the longest sequence.</summary>
internal sealed class RopeTensors(IBackend backend, RopeSettings rope) : IDisposable
{
    private readonly Arena arena = new(backend, "rotary table");
    private int length = -1;

    /// <summary>What they follow.</summary>
    internal RopeSettings Settings => rope;

    /// <summary>Cosines and sines, each [positions, RotaryDim / 2].</summary>
    internal (Tensor Cos, Tensor Sin) Tables { get; private set; }

    /// <summary>Makes tables for sequences of up to <paramref name="needed"/> positions.</summary>
    internal void Prepare(int needed)
    {
        // "dynamic" and "longrope" angles depend on the longest sequence itself; otherwise a longer table serves
        // shorter batches.
        var isExact = rope.Type is "dynamic" or "longrope";
        if (isExact ? needed == length : needed <= length) return;
        length = isExact ? needed : Math.Max(needed, 2 * length);
        var half = rope.RotaryDim / 2;
        var (cos, sin) = (new double[length * half], new double[length * half]);
        RopeTable.Fill(rope, length, cos, sin);
        arena.Reset();
        Tables = (HostValues.Upload(backend, cos, arena.Allocate(backend.ParameterType, length, half)),
            HostValues.Upload(backend, sin, arena.Allocate(backend.ParameterType, length, half)));
    }

    /// <inheritdoc/>
    public void Dispose() => arena.Dispose();
}
