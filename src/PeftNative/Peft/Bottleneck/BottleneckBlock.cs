using PeftNative.Determinism;
using PeftNative.Models.Layers;
using PeftNative.Models.Weights;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Peft.Bottleneck;

/// <summary>
/// The bottleneck at one sub-block. With h the block's output, x its residual input and LN the norm after their sum,
/// where the model has one:
/// <code>
/// z = x (parallel), LN(h + x) (original_ln_before), or h
/// A(z) = scaling · drop(f(z W_downᵀ + b_down) W_upᵀ + b_up)
/// h' = h + A(z), or z + A(z) without residual_before_ln
/// </code>
/// The model then adds x and applies LN.
/// </summary>
internal sealed class BottleneckBlock(BottleneckConfig config, Activation activation, int depth) : IBlockAttachment
{
    internal required Parameter DownWeight { get; init; }

    internal required Parameter DownBias { get; init; }

    internal required Parameter UpWeight { get; init; }

    internal required Parameter UpBias { get; init; }

    internal Parameter? Scaling { get; init; }

    internal bool AddsToInput => !config.ResidualBeforeNorm && !config.IsParallel;

    public BlockAttachmentState NewState() => new State();

    public void Forward(Pass pass, BlockAttachmentState state, NormSite? norm, in Tensor h, in Tensor x)
    {
        var s = (State)state;
        var z = Input(pass, s, norm, h, x);
        if (AddsToInput) pass.Backend.Copy(z, h);

        var mask = Mask(pass);
        var target = mask.IsOn ? pass.Memory.NewActivation(h.Rows, h.Columns) : h;
        s.Op = new BottleneckOp
        {
            X = z, DownWeight = DownWeight.Value, DownBias = DownBias.Value, Activation = activation,
            UpWeight = UpWeight.Value, UpBias = UpBias.Value,
            OutputScale = OutputScale(pass, s), Residual = mask.IsOn ? default : h,
            Down = pass.Memory.NewActivation(h.Rows, DownWeight.Rows),
            Inner = pass.Memory.NewActivation(h.Rows, DownWeight.Rows),
            PreScale = Scaling is not null && pass.IsTraining ? pass.Memory.NewActivation(h.Rows, h.Columns) : default,
            Y = target,
        };
        pass.Backend.Forward(s.Op);
        if (mask.IsOn) pass.Backend.Forward(new DropoutOp { X = target, Mask = mask, Accumulate = true, Y = h });
    }

    public void Backward(Pass pass, BlockAttachmentState state, NormSite? norm, in Tensor dh, in Tensor dx)
    {
        var s = (State)state;
        var mark = pass.Memory.Arena.Mark();
        var dz = pass.Memory.NewActivation(dh.Rows, dh.Columns);
        BottleneckBackward(pass, s, dh, dz);
        if (AddsToInput)
        {
            pass.Backend.AddScaled(dh, 1, dz);
            pass.Backend.Fill(dh, 0);
        }
        if (config.IsParallel) pass.Backend.AddScaled(dz, 1, dx);
        else
        {
            if (config.NormBefore)
            {
                norm?.Backward(pass, s.Norm, dz, dz, accumulate: false);
                pass.Backend.AddScaled(dz, 1, dx);
            }
            pass.Backend.AddScaled(dz, 1, dh);
        }
        pass.Memory.Arena.Release(mark);
    }

    private Tensor Input(Pass pass, State s, NormSite? norm, in Tensor h, in Tensor x)
    {
        if (config.IsParallel) return x;
        var z = pass.Memory.NewActivation(h.Rows, h.Columns);
        pass.Backend.Copy(h, z);
        if (!config.NormBefore) return z;
        pass.Backend.AddScaled(x, 1, z);
        if (norm is null) return z;
        var normed = pass.Memory.NewActivation(h.Rows, h.Columns);
        norm.Forward(pass, s.Norm, z, normed);
        return normed;
    }

    // dz = the gradient through A alone.
    private void BottleneckBackward(Pass pass, State s, in Tensor dh, in Tensor dz)
    {
        var (rows, width) = (dh.Rows, DownWeight.Rows);
        var dUp = dh;
        if (Mask(pass) is { IsOn: true } mask)
        {
            dUp = pass.Memory.NewActivation(rows, dh.Columns);
            pass.Backend.Forward(new DropoutOp { X = dh, Mask = mask, Y = dUp });
        }
        var dScale = Scaling is { Gradient.IsPresent: true } ? pass.Memory.NewStatistic(1, dh.Columns) : default;
        if (dScale.IsPresent) pass.Backend.Fill(dScale, 0);
        pass.Backend.Backward(s.Op, new BottleneckGradients
        {
            DY = dUp, DX = dz, DDownWeight = DownWeight.Gradient, DDownBias = DownBias.Gradient,
            DUpWeight = UpWeight.Gradient,
            DUpBias = UpBias.Gradient, DOutputScale = dScale,
            Scratch = pass.Memory.NewActivation(1, checked(rows * (dh.Columns + 2 * width))),
        });
        if (dScale.IsPresent) ScaleBackward(pass, s, dScale);
    }

    // A single trained value is spread over all features by a product with ones, so that it never leaves the device.
    private Tensor OutputScale(Pass pass, State s)
    {
        if (config.ScalingKind == BottleneckScaling.Channel) return Scaling!.Value;
        if (config is { ScalingKind: BottleneckScaling.Fixed, Scaling: 1 }) return default;
        var scale = pass.Memory.NewStatistic(1, UpWeight.Rows);
        if (config.ScalingKind == BottleneckScaling.Fixed)
        {
            pass.Backend.Fill(scale, config.Scaling);
            return scale;
        }
        var ones = pass.Memory.NewStatistic(UpWeight.Rows, 1);
        pass.Backend.Fill(ones, 1);
        s.Spread = new LinearOp { X = Scaling!.Value, W = ones, Y = scale };
        pass.Backend.Forward(s.Spread);
        return scale;
    }

    private void ScaleBackward(Pass pass, State s, in Tensor dScale)
    {
        if (config.ScalingKind == BottleneckScaling.Channel) pass.Backend.AddScaled(dScale, 1, Scaling!.Gradient);
        else
            pass.Backend.Backward(s.Spread, new LinearGradients
            {
                DY = dScale, DX = Scaling!.Gradient, AccumulateDX = true,
                Scratch = pass.Memory.NewStatistic(1, UpWeight.Rows + 1),
            });
    }

    private DropoutMask Mask(Pass pass) => pass.Dropout(config.Dropout, (uint)RandomPurpose.Dropout, depth);

    private sealed class State : BlockAttachmentState
    {
        internal NormState Norm { get; } = new();
        internal BottleneckOp Op { get; set; }
        internal LinearOp Spread { get; set; }
    }
}
