using PeftNative.Models.Layers;
using PeftNative.Tensors;

namespace PeftNative.Peft.Mixed;

/// <summary>Bottlenecks at a sub-block in a mixed batch: each works on its rows.</summary>
internal sealed class MixedBlock(MixedAdapters mixed, int depth) : IBlockAttachment
{
    public BlockAttachmentState NewState() => new State();

    public void Forward(Pass pass, BlockAttachmentState state, NormSite? norm, in Tensor h, in Tensor x)
    {
        foreach (var (adapter, first, count) in mixed.Runs(pass, []))
            if (adapter.AtBlock(depth) is { } block)
                block.Forward(pass, block.NewState(), norm, h.RowRange(first, count), x.RowRange(first, count));
    }

    public void Backward(Pass pass, BlockAttachmentState state, NormSite? norm, in Tensor dh, in Tensor dx) =>
        throw new UsageException("A mixed batch cannot be trained.");

    private sealed class State : BlockAttachmentState;
}
