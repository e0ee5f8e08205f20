using PeftNative.Tensors;

namespace PeftNative.Models;

/// <summary>
/// Half a transformer layer: a body (attention or feed-forward) with its norm and residual connection,
/// <c>x + body(norm(x))</c> or <c>norm(x + body(x))</c>.
/// </summary>
internal abstract class SubBlock(int depth, NormPlacement placement, NormSite norm)
{
    /// <summary>Place in the model: 2 · layer for attention, 2 · layer + 1 for feed-forward.</summary>
    internal int Depth => depth;

    internal NormSite Norm => norm;

    internal abstract IEnumerable<LinearSite> Sites { get; }

    /// <summary>Makes what a pass keeps for this sub-block.</summary>
    internal abstract SubBlockState NewState();

    /// <summary>y = body(x) + residual, or body(x) when the residual is absent.</summary>
    protected abstract void BodyForward(Pass pass, SubBlockState state, in Tensor x, in Tensor y, in Tensor residual);

    /// <summary>dx <c>=</c> or <c>+=</c> the gradient of the body's input; skipped when absent.</summary>
    protected abstract void BodyBackward(Pass pass, SubBlockState state, in Tensor dy, in Tensor dx, bool accumulate);

    /// <summary>Whether anything in the body is trained.</summary>
    protected virtual bool IsTrainedInside(Pass pass) => Sites.Any(pass.IsTrained);

    /// <summary>The output [M, D] of the sub-block is written to y, which must not be x.</summary>
    internal void Forward(Pass pass, SubBlockState state, in Tensor x, in Tensor y)
    {
        if (placement == NormPlacement.Before)
        {
            var normed = pass.NewActivation(x.Rows, x.Columns);
            norm.Forward(pass, state.Norm, x, normed);
            Sum(pass, state, normed, x, y);
            return;
        }
        var sum = pass.NewActivation(x.Rows, x.Columns);
        Sum(pass, state, x, x, sum);
        norm.Forward(pass, state.Norm, sum, y);
    }

    /// <summary>
    /// Turns the gradient of the output into that of the input, in place. With <paramref name="needsInput"/> false only parameters get
    /// their gradients.
    /// </summary>
    internal void Backward(Pass pass, SubBlockState state, in Tensor d, bool needsInput)
    {
        var mark = pass.Arena.Mark();
        if (placement == NormPlacement.Before)
        {
            var trainsNorm = pass.IsTrained(norm.Gamma) || pass.IsTrained(norm.Beta);
            var dNormed = needsInput || trainsNorm ? pass.Arena.Allocate(pass.Type, d.Rows, d.Columns) : default;
            SumBackward(pass, state, d, dNormed, accumulate: false);
            if (dNormed.IsPresent) norm.Backward(pass, state.Norm, dNormed, d, accumulate: true);
        }
        else
        {
            norm.Backward(pass, state.Norm, d, d, accumulate: false);
            if (needsInput || IsTrainedInside(pass) || HasBlockAttachment(pass))
            {
                // The body reads the gradient that the residual connection hands on, so its own part is added from a copy.
                var dSum = pass.Arena.Allocate(pass.Type, d.Rows, d.Columns);
                pass.Backend.Copy(d, dSum);
                SumBackward(pass, state, dSum, needsInput ? d : default, accumulate: true);
            }
        }
        pass.Arena.Release(mark);
    }

    // sum = residual + attachments(body(input))
    private void Sum(Pass pass, SubBlockState state, in Tensor input, in Tensor residual, in Tensor sum)
    {
        if (!HasBlockAttachment(pass))
        {
            BodyForward(pass, state, input, sum, residual);
            return;
        }
        BodyForward(pass, state, input, sum, default);
        for (var i = 0; i < pass.Attachments.Count; i++)
            pass.Attachments[i].AtBlock(depth)?.Forward(pass, PostNorm, sum, residual);
        pass.Backend.AddScaled(residual, 1, sum);
    }

    // The residual's own gradient is d and stays with the caller; attachments that look at the residual add to it.
    private void SumBackward(Pass pass, SubBlockState state, in Tensor d, in Tensor dInput, bool accumulate)
    {
        if (!HasBlockAttachment(pass))
        {
            BodyBackward(pass, state, d, dInput, accumulate);
            return;
        }
        var dBody = pass.Arena.Allocate(pass.Type, d.Rows, d.Columns);
        pass.Backend.Copy(d, dBody);
        for (var i = pass.Attachments.Count - 1; i >= 0; i--)
            pass.Attachments[i].AtBlock(depth)?.Backward(pass, PostNorm, dBody, accumulate && dInput.IsPresent ? dInput : d);
        BodyBackward(pass, state, dBody, dInput, accumulate);
    }

    private NormSite? PostNorm => placement == NormPlacement.After ? norm : null;

    private bool HasBlockAttachment(Pass pass)
    {
        for (var i = 0; i < pass.Attachments.Count; i++)
            if (pass.Attachments[i].AtBlock(depth) is not null) return true;
        return false;
    }
}

/// <summary>What a sub-block keeps between forward and backward of a pass.</summary>
internal abstract class SubBlockState
{
    internal NormState Norm { get; } = new();
}
