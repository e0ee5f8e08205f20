using PeftNative.Models.Config;
using PeftNative.Models.Weights;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Models.Layers;

/// <summary>
/// A linear layer of the model, and the point at which adapters attach to it. Immutable; what a pass saves is in a
/// <see cref="LinearState"/>.
/// </summary>
public sealed class LinearSite(
    int index, string path, ModuleRole role, int? layer, Parameter weight, Parameter? bias)
{
    /// <summary>Place in the model's list of linear layers.</summary>
    public int Index { get; } = index;

    /// <summary>Module path, e.g. model.layers.0.self_attn.q_proj.</summary>
    public string Path { get; } = path;

    /// <summary>What it is for.</summary>
    public ModuleRole Role { get; } = role;

    /// <summary>Number of its layer in its stack; null for what stands on top of the layers.</summary>
    public int? Layer { get; } = layer;

    /// <summary>The sub-block it belongs to; see <see cref="Parameter.Depth"/>.</summary>
    public int Depth => Weight.Depth;

    /// <summary>Weight [out, in].</summary>
    public Parameter Weight { get; } = weight;

    /// <summary>Bias [1, out], or null.</summary>
    public Parameter? Bias { get; } = bias;

    /// <summary>Input width.</summary>
    public int In => Weight.Columns;

    /// <summary>Output width.</summary>
    public int Out => Weight.Rows;

    /// <summary>Whether the checkpoint stores the weight [in, out].</summary>
    public bool IsConv1D => Weight.Layout == StoredLayout.Transposed;

    /// <summary>y = x Wᵀ + b, as the active adapters change it, + residual. y is overwritten.</summary>
    internal void Forward(Pass pass, LinearState state, in Tensor x, in Tensor y, in Tensor residual = default)
    {
        var weight = pass.Adapters.Resolve(Weight);
        state.Begin(this);
        state.Op = new LinearOp
        {
            X = x, W = pass.Memory.Operand(weight),
            WMaxima = weight.Quantized is { Codes.IsPresent: true } quantized ? quantized.Op.Maxima : default,
            Bias = pass.Adapters.Resolve(Bias)?.Value ?? default, Residual = residual, Y = y,
        };
        foreach (var attachment in pass.Adapters.AtLinear(Index)) attachment.BeforeForward(pass, state);
        state.Op = state.Op with { LowRank = state.Pairs, LowRankCount = state.PairCount };
        pass.Backend.Forward(state.Op);
        foreach (var attachment in pass.Adapters.AtLinear(Index)) attachment.AfterForward(pass, state);
    }

    /// <summary>Whether anything at this layer is trained.</summary>
    internal bool IsTrained(Pass pass) =>
        pass.Adapters.IsTrained(Weight) || pass.Adapters.IsTrained(Bias) || pass.Adapters.AtLinear(Index).Any;

    /// <summary>Gradients of parameters <c>+=</c>; dx <c>=</c> or <c>+=</c>, skipped when absent.</summary>
    internal void Backward(Pass pass, LinearState state, in Tensor dy, in Tensor dx, bool accumulate)
    {
        if (!dx.IsPresent && !IsTrained(pass)) return;
        var mark = pass.Memory.Arena.Mark();
        if (pass.Adapters.Resolve(Weight) is { Quantized: not null } weight)
            state.Op = state.Op with { W = pass.Memory.Operand(weight) };
        var rank = 0;
        for (var i = 0; i < state.PairCount; i++) rank = Math.Max(rank, state.Pairs[i].A.Rows);
        var isPlain = !IsTrained(pass) && !state.Op.OutputScale.IsPresent && !state.Op.InputScale.IsPresent;
        var gradients = new LinearGradients
        {
            DY = dy, DX = dx, AccumulateDX = accumulate, DW = pass.Adapters.Resolve(Weight).Gradient,
            DBias = pass.Adapters.Resolve(Bias)?.Gradient ?? default,
            Scratch = isPlain ? default : pass.Memory.NewActivation(1, checked(dy.Rows * (In + Out + rank))),
        };
        foreach (var attachment in pass.Adapters.AtLinear(Index)) attachment.BeforeBackward(pass, state, ref gradients);
        pass.Backend.Backward(state.Op, gradients);
        foreach (var attachment in pass.Adapters.AtLinear(Index)) attachment.AfterBackward(pass, state, gradients);
        pass.Memory.Arena.Release(mark);
    }
}

/// <summary>What one linear layer keeps between forward and backward of a pass. Used by one thread at a time.</summary>
public sealed class LinearState
{
    /// <summary>The layer.</summary>
    public LinearSite Site { get; private set; } = null!;

    /// <summary>The record; attachments edit it before it runs.</summary>
    public LinearOp Op { get; set; }

    /// <summary>Low-rank pairs of the record; the first <see cref="PairCount"/> count.</summary>
    public LowRankPair[] Pairs { get; private set; } = [];

    /// <summary>Number of low-rank pairs.</summary>
    public int PairCount { get; private set; }

    private readonly List<(ILinearAttachment Owner, object State)> kept = [];
    private int keptCount;

    internal void Begin(LinearSite site) => (Site, PairCount, keptCount) = (site, 0, 0);

    /// <summary>
    /// What an attachment keeps for its backward: asked for in <see cref="ILinearAttachment.BeforeForward"/> it may be
    /// that of an earlier forward, with its values.
    /// </summary>
    public T Of<T>(ILinearAttachment owner) where T : class, new()
    {
        for (var i = 0; i < keptCount; i++)
            if (kept[i].Owner == owner) return (T)kept[i].State;
        if (keptCount == kept.Count) kept.Add((owner, new T()));
        kept[keptCount] = (owner, kept[keptCount].State as T ?? new T());
        return (T)kept[keptCount++].State;
    }

    /// <summary>Adds a low-rank pair.</summary>
    public void Add(in LowRankPair pair)
    {
        if (PairCount == Pairs.Length)
        {
            var longer = new LowRankPair[Math.Max(1, 2 * Pairs.Length)];
            Pairs.CopyTo(longer, 0);
            Pairs = longer;
        }
        Pairs[PairCount++] = pair;
    }
}
