using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Models.Layers;

/// <summary>
/// Sub-blocks one upon the other that work on one stream of rows: a whole model's, or those of its encoder or its
/// decoder.
/// </summary>
internal sealed class BlockStack(SubBlock[] blocks, bool isParallel)
{
    /// <summary>The sub-blocks, bottom to top.</summary>
    internal IReadOnlyList<SubBlock> Blocks => blocks;

    /// <summary>Depth of the lowest one.</summary>
    internal int FirstDepth => blocks[0].Depth;

    /// <summary>
    /// Where the layer of the sub-block at some depth begins, in a model of one stack. What lies above the stack is
    /// given back as it is.
    /// </summary>
    internal int LayerBegin(int depth)
    {
        if (depth < blocks.Length)
            while (depth > 0 && blocks[depth - 1].Place.Layer == blocks[depth].Place.Layer) depth--;
        return depth;
    }

    /// <summary>Runs all of them on the stream [rows, D].</summary>
    internal Tensor Forward(Pass pass, Tensor x) => Forward(pass, x, 0, blocks.Length);

    /// <summary>
    /// Runs those from the first up to, without it, the last; both stand at the beginning of a layer.
    /// </summary>
    internal Tensor Forward(Pass pass, Tensor x, int first, int last)
    {
        var layerInput = x;
        for (var i = first; i < last; i++)
        {
            var (block, state) = (blocks[i], pass.States.Blocks[blocks[i].Depth]);
            if (PicksBefore(pass, i)) x = Picked(pass, x);
            var y = pass.Memory.NewActivation(x.Rows, x.Columns);
            var mark = pass.Memory.Arena.Mark();
            var isLast = block.Place.Kind == SubBlockKind.FeedForward;
            (state.Input, state.Residual) = (isParallel && isLast ? layerInput : x, x);
            block.Forward(pass, state, state.Input, state.Residual, y);
            // Below the lowest trained sub-block nothing is read again, so its inner activations go at once.
            var isRead = pass.IsTraining && block.Depth >= pass.Adapters.LowestTrainedDepth;
            state.IsDropped = isRead && !pass.Memory.Keeps(mark, pass.Rows.All);
            if (!isRead || state.IsDropped) pass.Memory.Arena.Release(mark);
            if (isLast) layerInput = y;
            x = y;
        }
        return x;
    }

    /// <summary>
    /// Walks down from the top and turns d, the gradient of the output, into that of the input, which is returned. It
    /// ends with the sub-block at depth <paramref name="lowest"/>, the gradient of whose input nobody needs; with a
    /// depth below the stack it walks through all of it.
    /// </summary>
    internal Tensor Backward(Pass pass, Tensor d, int lowest)
    {
        for (var i = blocks.Length - 1; i >= 0 && blocks[i].Depth >= lowest; i--)
        {
            if (isParallel && blocks[i].Place.Kind == SubBlockKind.FeedForward) ParallelBackward(pass, i--, d, lowest);
            else Backward(pass, blocks[i], d, d, needsInput: blocks[i].Depth > lowest);
            if (i > 0 && PicksBefore(pass, i) && blocks[i].Depth > lowest) d = Spread(pass, d);
        }
        return d;
    }

    /// <summary>
    /// Whether the last sub-block can work on single rows of the stream. It mixes none, unless it works beside
    /// attention.
    /// </summary>
    internal bool CanPick => !isParallel && blocks.Length > 1;

    private bool PicksBefore(Pass pass, int i) =>
        i == blocks.Length - 1 && pass.Rows.Top.IsPresent && !blocks[i].Place.IsEncoder;

    private static Tensor Picked(Pass pass, in Tensor x)
    {
        var picked = pass.Memory.NewActivation(pass.Rows.Top.Columns, x.Columns);
        pass.Backend.Forward(new GatherOp { X = x, Rows = pass.Rows.Top, Y = picked });
        return picked;
    }

    private static Tensor Spread(Pass pass, in Tensor d)
    {
        var all = pass.Memory.NewActivation(pass.Rows.Count, d.Columns);
        pass.Backend.Fill(all, 0);
        pass.Backend.Backward(new GatherOp { Rows = pass.Rows.Top }, new GatherGradients { DY = d, DX = all });
        return all;
    }

    private static void Backward(Pass pass, SubBlock block, in Tensor d, in Tensor dx, bool needsInput)
    {
        var state = pass.States.Blocks[block.Depth];
        var mark = pass.Memory.Arena.Mark();
        if (state.IsDropped)
            block.Forward(pass, state, state.Input, state.Residual, pass.Memory.NewActivation(d.Rows, d.Columns));
        block.Backward(pass, state, d, dx, needsInput);
        pass.Memory.Arena.Release(mark);
    }

    // Both sub-blocks read the layer's input, so what the second adds to its gradient must not reach the first.
    private void ParallelBackward(Pass pass, int second, in Tensor d, int lowest)
    {
        var depth = blocks[second].Depth - 1;
        var needsInput = depth > lowest;
        var mark = pass.Memory.Arena.Mark();
        var dInput = pass.Memory.NewActivation(d.Rows, d.Columns);
        pass.Backend.Fill(dInput, 0);
        Backward(pass, blocks[second], d, dInput, needsInput);
        if (depth >= lowest) Backward(pass, blocks[second - 1], d, d, needsInput);
        pass.Backend.AddScaled(dInput, 1, d);
        pass.Memory.Arena.Release(mark);
    }
}
