using PeftNative.Models.Steps;
using PeftNative.Models.Weights;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Models.Layers;

/// <summary>
/// What an adapter hangs on a model: the named points at which the forward pass asks it. Everything a method does
/// happens behind these; the model itself knows no method. Members that a method does not use keep their empty
/// defaults. Used by one thread at a time, like its backend.
/// </summary>
public abstract class AttachmentSet
{
    /// <summary>The adapter's name; unique among those active together.</summary>
    public abstract string Name { get; }

    /// <summary>All parameters that training changes, in a fixed order.</summary>
    public abstract IReadOnlyList<Parameter> Trainables { get; }

    /// <summary>Whether its memory is gone.</summary>
    internal virtual bool IsDisposed => false;

    /// <summary>
    /// Whether it must be given all rows of the stream, because it tells them apart by their numbers.
    /// </summary>
    internal virtual bool DependsOnRowNumbers => false;

    /// <summary>The attachment at a linear layer, or null. Called with <see cref="LinearSite.Index"/>.</summary>
    public virtual ILinearAttachment? AtLinear(int site) => null;

    /// <summary>The attachment at the token embedding, or null.</summary>
    public virtual IEmbeddingAttachment? AtEmbedding => null;

    /// <summary>The attachment at the output of a sub-block, before the residual is added, or null.</summary>
    public virtual IBlockAttachment? AtBlock(int depth) => null;

    /// <summary>Virtual tokens in front of every sequence, or null.</summary>
    public virtual IVirtualTokens? VirtualTokens => null;

    /// <summary>Prefix keys and values in front of every sequence, or null.</summary>
    public virtual IPrefix? Prefix => null;

    /// <summary>
    /// The parameter used in place of one of the model's (a trained copy), or null. Called with
    /// <see cref="Parameter.Index"/>.
    /// </summary>
    public virtual Parameter? Replacement(int parameter) => null;

    /// <summary>
    /// Called before the first layer and after the last gradient of a pass, for work on parameters as a whole (encoders
    /// of virtual tokens and prefixes).
    /// </summary>
    public virtual void BeforeForward(Pass pass)
    {
    }

    /// <summary>Called when all gradients of the attachments are complete.</summary>
    public virtual void AfterBackward(Pass pass)
    {
    }
}

/// <summary>
/// Edits the record of a linear layer before it runs, and sees its gradients. Used by one thread at a time, like its
/// backend.
/// </summary>
public interface ILinearAttachment
{
    /// <summary>Adds low-rank pairs or scales to <see cref="LinearState.Op"/>.</summary>
    void BeforeForward(Pass pass, LinearState state);

    /// <summary>
    /// Does for some rows of the operand, and no others, what <see cref="BeforeForward"/> does for all; false, and
    /// nothing done, where that cannot be.
    /// </summary>
    bool TryAddRows(Pass pass, LinearState state, int first, int count) => false;

    /// <summary>Called when the output is there.</summary>
    void AfterForward(Pass pass, LinearState state)
    {
    }

    /// <summary>Adds the gradients it wants to the request.</summary>
    void BeforeBackward(Pass pass, LinearState state, ref LinearGradients gradients)
    {
    }

    /// <summary>Called when the gradients are there.</summary>
    void AfterBackward(Pass pass, LinearState state, in LinearGradients gradients)
    {
    }
}

/// <summary>Edits the record of the token embedding. Used by one thread at a time, like its backend.</summary>
public interface IEmbeddingAttachment : ITokenRows
{
    /// <summary>Adds a low-rank pair to the record, or rows.</summary>
    void BeforeForward(Pass pass, ref EmbeddingOp op);

    /// <summary>Called when the output is there; it may be changed.</summary>
    void AfterForward(Pass pass, in EmbeddingOp op)
    {
    }

    /// <summary>Adds the gradients it wants to the request.</summary>
    void BeforeBackward(Pass pass, ref EmbeddingGradients gradients);

    /// <summary>Called when the gradients are there; that of the output is used up then.</summary>
    /// <param name="pass">The pass.</param>
    /// <param name="op">The record as it ran.</param>
    /// <param name="outer">The request before <see cref="BeforeBackward"/>, whose parts it may owe something.</param>
    /// <param name="inner">The request after it.</param>
    void AfterBackward(Pass pass, in EmbeddingOp op, in EmbeddingGradients outer, in EmbeddingGradients inner)
    {
    }
}

/// <summary>
/// Stands between a sub-block's output h and its residual addition: bottleneck adapters. Below, x is the sub-block's
/// residual input, and <c>norm</c> the model's own norm at that place (post-norm families only). Used by one thread at
/// a time, like its backend.
/// </summary>
public interface IBlockAttachment
{
    /// <summary>Makes what a pass keeps for the attachment between forward and backward.</summary>
    BlockAttachmentState NewState();

    /// <summary>Replaces h in place, given the residual input x; both [M, D].</summary>
    void Forward(Pass pass, BlockAttachmentState state, NormSite? norm, in Tensor h, in Tensor x);

    /// <summary>
    /// Turns the gradient of the new h into that of the old one, in place, and adds to the gradient of x (both [M, D]).
    /// </summary>
    void Backward(Pass pass, BlockAttachmentState state, NormSite? norm, in Tensor dh, in Tensor dx);
}

/// <summary>
/// What an <see cref="IBlockAttachment"/> keeps in a pass. Used by one thread at a time, like its backend.
/// </summary>
public abstract class BlockAttachmentState;
