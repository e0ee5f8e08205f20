using PeftNative.Models.Config;
using PeftNative.Tensors;

namespace PeftNative.Models.Layers;

/// <summary>What a sub-block does.</summary>
internal enum SubBlockKind
{
    /// <summary>Attention of a stream to itself.</summary>
    Attention,

    /// <summary>Attention of a decoder to its encoder.</summary>
    CrossAttention,

    /// <summary>Feed-forward.</summary>
    FeedForward,
}

/// <summary>Where a sub-block stands.</summary>
/// <param name="Depth">Its number, counted from the bottom, the encoder's first.</param>
/// <param name="Layer">The layer of its stack.</param>
/// <param name="Kind">What it does.</param>
/// <param name="IsEncoder">Whether the stack is the encoder of a model that has a decoder too.</param>
internal sealed record SubBlockPlace(int Depth, int Layer, SubBlockKind Kind, bool IsEncoder = false);

/// <summary>
/// A part of a transformer layer: a body (attention or feed-forward) with its norms and residual connection; see
/// <see cref="NormPlacement"/>.
/// </summary>
internal abstract class SubBlock(
    SubBlockPlace place, NormPlacement placement, double scale, NormSite? norm, NormSite? postNorm)
{
    private readonly int depth = place.Depth;
    private LinearSite[]? sites;

    /// <summary>Where it stands.</summary>
    internal SubBlockPlace Place => place;

    /// <summary>Its number, counted from the bottom.</summary>
    internal int Depth => depth;

    /// <summary>Its norm; null where norms stand at outputs alone.</summary>
    internal NormSite? Norm => norm;

    internal abstract IEnumerable<LinearSite> Sites { get; }

    /// <summary>Makes what a pass keeps for this sub-block.</summary>
    internal abstract SubBlockState NewState();

    /// <summary>y = body(x) + residual, or body(x) when the residual is absent.</summary>
    protected abstract void BodyForward(Pass pass, SubBlockState state, in Tensor x, in Tensor y, in Tensor residual);

    /// <summary>dx <c>=</c> or <c>+=</c> the gradient of the body's input; skipped when absent.</summary>
    protected abstract void BodyBackward(Pass pass, SubBlockState state, in Tensor dy, in Tensor dx, bool accumulate);

    /// <summary>Whether a parameter of the body besides its linear layers is trained.</summary>
    protected virtual bool TrainsOthers(Pass pass) => false;

    /// <summary>Whether anything in it is trained.</summary>
    internal bool IsTrained(Pass pass) =>
        TrainsBody(pass) || norm?.IsTrained(pass) == true || postNorm?.IsTrained(pass) == true;

    /// <summary>
    /// The output [M, D] is written to y, which must not be x. The residual is x itself, but in a layer whose
    /// sub-blocks work side by side.
    /// </summary>
    internal void Forward(Pass pass, SubBlockState state, in Tensor x, in Tensor residual, in Tensor y)
    {
        var mark = pass.Memory.Transient.Mark();
        if (norm is null) Sum(pass, state, x, residual, y);
        else if (placement != NormPlacement.After)
        {
            var normed = pass.Memory.NewTransient(x.Rows, x.Columns);
            norm.Forward(pass, state.Norm, x, normed);
            Sum(pass, state, normed, residual, y);
        }
        else
        {
            var sum = pass.Memory.NewActivation(x.Rows, x.Columns);
            Sum(pass, state, x, residual, sum);
            norm.Forward(pass, state.Norm, sum, y);
        }
        pass.Memory.Transient.Release(mark);
    }

    /// <summary>
    /// With d the gradient of the output: adds that of the input, the residual connection's share not included, to dx
    /// (which may be d itself). Norms after the sum turn d into the gradient of the sum first. With
    /// <paramref name="needsInput"/> false only parameters get their gradients.
    /// </summary>
    internal void Backward(Pass pass, SubBlockState state, in Tensor d, in Tensor dx, bool needsInput)
    {
        var mark = pass.Memory.Arena.Mark();
        var transient = pass.Memory.Transient.Mark();
        if (norm is null) SumBackward(pass, state, d, needsInput ? dx : default, d, accumulate: true);
        else if (placement != NormPlacement.After)
        {
            NormSite.ForwardAgain(pass, state.Norm, isRead: IsAnyTrained(pass));
            var isNeeded = needsInput || norm.IsTrained(pass);
            var dNormed = isNeeded ? pass.Memory.Arena.Allocate(pass.Memory.Type, d.Rows, d.Columns) : default;
            SumBackward(pass, state, d, dNormed, d, accumulate: false);
            if (isNeeded) norm.Backward(pass, state.Norm, dNormed, dx, accumulate: true);
        }
        else
        {
            norm.Backward(pass, state.Norm, d, d, accumulate: false);
            if (needsInput || TrainsBody(pass))
            {
                // The body reads the gradient of the sum while its own share is added to it, so it reads a copy.
                var dSum = pass.Memory.Arena.Allocate(pass.Memory.Type, d.Rows, d.Columns);
                pass.Backend.Copy(d, dSum);
                SumBackward(pass, state, dSum, needsInput ? dx : default, d, accumulate: true);
            }
        }
        pass.Memory.Transient.Release(transient);
        pass.Memory.Arena.Release(mark);
    }

    private bool IsAnyTrained(Pass pass)
    {
        sites ??= [.. Sites];
        foreach (var site in sites)
            if (site.IsTrained(pass)) return true;
        return false;
    }

    // What reads the body's output beside its sum with the residual needs the two apart.
    private bool IsFused(Pass pass) => postNorm is null && scale == 1 && !HasBlockAttachment(pass);

    // sum = residual + postNorm(attachments(body(input))), or the scale (1 but in Granite) in place of the norm
    private void Sum(Pass pass, SubBlockState state, in Tensor input, in Tensor residual, in Tensor sum)
    {
        if (IsFused(pass))
        {
            BodyForward(pass, state, input, sum, residual);
            return;
        }
        var hasAttachment = HasBlockAttachment(pass);
        var body = postNorm is null && scale == 1 ? sum : pass.Memory.NewActivation(sum.Rows, sum.Columns);
        BodyForward(pass, state, input, body, default);
        for (var i = 0; hasAttachment && i < pass.Adapters.InForce.Count; i++)
            if (pass.Adapters.InForce[i].AtBlock(depth) is { } attachment)
                attachment.Forward(pass, state.Of(i, attachment), SharedNorm, body, residual);
        if (postNorm is not null) postNorm.Forward(pass, state.PostNorm, body, sum);
        else if (scale != 1) pass.Backend.SetScaled(body, scale, sum);
        pass.Backend.AddScaled(residual, 1, sum);
    }

    // The residual's own gradient stays with the caller; attachments that look at the residual add to it in dResidual.
    private void SumBackward(Pass pass, SubBlockState state, in Tensor d, in Tensor dInput, in Tensor dResidual,
        bool accumulate)
    {
        if (IsFused(pass))
        {
            BodyBackward(pass, state, d, dInput, accumulate);
            return;
        }
        var hasAttachment = HasBlockAttachment(pass);
        var dBody = pass.Memory.Arena.Allocate(pass.Memory.Type, d.Rows, d.Columns);
        if (postNorm is not null) postNorm.Backward(pass, state.PostNorm, d, dBody, accumulate: false);
        else if (scale != 1) pass.Backend.SetScaled(d, scale, dBody);
        else pass.Backend.Copy(d, dBody);
        for (var i = pass.Adapters.InForce.Count - 1; hasAttachment && i >= 0; i--)
            if (pass.Adapters.InForce[i].AtBlock(depth) is { } attachment)
                attachment.Backward(pass, state.Of(i, attachment), SharedNorm, dBody, dResidual);
        if (dInput.IsPresent || IsAnyTrained(pass) || TrainsOthers(pass))
            BodyBackward(pass, state, dBody, dInput, accumulate);
    }

    // The norm that an attachment may use a second time: the one after the sum.
    private NormSite? SharedNorm => placement == NormPlacement.After ? norm : null;

    private bool TrainsBody(Pass pass) => IsAnyTrained(pass) || TrainsOthers(pass) || HasBlockAttachment(pass);

    private bool HasBlockAttachment(Pass pass) => pass.Adapters.AtBlock(depth).Any;
}

/// <summary>What a sub-block keeps between forward and backward of a pass.</summary>
internal abstract class SubBlockState
{
    internal NormState Norm { get; } = new();

    internal NormState PostNorm { get; } = new();

    /// <summary>
    /// What the forward was given, and whether what it kept was dropped, so that the backward runs it again.
    /// </summary>
    internal Tensor Input { get; set; }

    internal Tensor Residual { get; set; }

    internal bool IsDropped { get; set; }

    private readonly List<(IBlockAttachment Owner, BlockAttachmentState State)> attachments = [];

    /// <summary>What attachment number i keeps; made anew when another one has taken its place.</summary>
    internal BlockAttachmentState Of(int i, IBlockAttachment attachment)
    {
        while (attachments.Count <= i) attachments.Add((attachment, attachment.NewState()));
        if (attachments[i].Owner != attachment) attachments[i] = (attachment, attachment.NewState());
        return attachments[i].State;
    }
}
