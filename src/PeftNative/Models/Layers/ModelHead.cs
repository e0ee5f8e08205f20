using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Models.Layers;

/// <summary>
/// What stands on top of the layers: the final norm, a pooler where the family has one, and the output projection. It
/// works only on the rows somebody asks for, and on scores in chunks, so no matrix [tokens, vocabulary] is ever whole
/// unless asked for. Used by one thread at a time, like its backend.
/// </summary>
public sealed class ModelHead(
    NormSite? finalNorm, LinearSite? pooler, Activation poolerActivation, LinearSite? output, int width, double softCap,
    double scale = 1)
{
    /// <summary>Norm after the last layer, or null.</summary>
    public NormSite? FinalNorm { get; } = finalNorm;

    /// <summary>Dense layer with an activation in front of the classifier, or null.</summary>
    public LinearSite? Pooler { get; } = pooler;

    /// <summary>The output projection [labels or vocabulary, D]; null where the model has no head.</summary>
    public LinearSite? Output { get; } = output;

    /// <summary>Columns of its scores: labels or vocabulary; D where the model has no head.</summary>
    public int Width { get; } = output?.Out ?? width;

    /// <summary>
    /// Scores of the chosen rows of the stream x, [rows, labels or vocabulary]; without a head the last hidden states,
    /// [rows, D].
    /// </summary>
    internal Tensor Scores(Pass pass, in Tensor x, int[] rows)
    {
        if (Output is null) return LastStates(pass, x, rows);
        var state = new State();
        pass.Rows.Picked = rows;
        var features = Features(pass, state, x, pass.Memory.Upload(rows, 1, rows.Length));
        var scores = pass.Memory.NewActivation(rows.Length, Width);
        Output.Forward(pass, state.Output, features, scores);
        return softCap > 0 ? Cap(pass, scores) : scores;
    }

    /// <summary>The chosen rows of the stream x behind the final norm, if there is one, [rows, D].</summary>
    internal Tensor LastStates(Pass pass, in Tensor x, int[] rows)
    {
        pass.Rows.Picked = rows;
        return States(pass, new State(), x, pass.Memory.Upload(rows, 1, rows.Length));
    }

    /// <summary>Takes the targets to the backend, and makes room for what becomes of them.</summary>
    internal void Take(Pass pass)
    {
        var state = pass.States.Head;
        var (targets, count) = (state.Targets, state.Targets.Count);
        state.Rows = pass.Memory.Upload(targets.Rows.Span, 1, count);
        state.Wanted = targets.Labels is { } labels ? pass.Memory.Upload(labels, count, 1)
            : HostValues.Upload(pass.Backend, targets.Values.AsSpan(0, count * Width),
                pass.Memory.NewStatistic(count, Width));
        state.Loss = pass.Memory.NewStatistic(count, 1);
        state.Hits = targets.Labels is null ? default : pass.Memory.Arena.Allocate(DType.Int32, count, 1);
    }

    /// <summary>
    /// The loss of the targets that were taken. It looks at their rows of the stream x; where the pass has picked them
    /// below the last sub-block, x has no others. With <paramref name="backward"/> gradients are added to trained
    /// parameters of the head. With <paramref name="dx"/> present the gradient of x is written there (=, zero in rows
    /// without a target). Both are times the factor that the targets name.
    /// </summary>
    internal void Run(Pass pass, in Tensor x, bool backward, in Tensor dx)
    {
        var (state, targets) = (pass.States.Head, pass.States.Head.Targets);
        pass.Rows.Picked = targets.Rows;
        var features = Features(pass, state, x, state.Rows);
        var needsFeatures = backward
            && (dx.IsPresent || pass.Adapters.IsTrained(FinalNorm?.Gamma) || (Pooler?.IsTrained(pass) ?? false));
        var dFeatures = needsFeatures ? pass.Memory.NewActivation(targets.Count, features.Columns) : default;
        var rowBytes = (long)Width * pass.Memory.Type.Size();
        var chunk = (int)Math.Clamp(pass.Backend.ScoreBytes / rowBytes, 1, Math.Max(1, targets.Count));
        for (var start = 0; start < targets.Count; start += chunk)
        {
            var count = Math.Min(chunk, targets.Count - start);
            var mark = pass.Memory.Arena.Mark();
            Chunk(pass, state, features.RowRange(start, count), start, backward,
                needsFeatures ? dFeatures.RowRange(start, count) : default);
            pass.Memory.Arena.Release(mark);
        }
        if (needsFeatures) FeaturesBackward(pass, state, dFeatures, state.Rows, dx);
    }

    /// <summary>What the last run came to, of all rows together, so that the host waits once.</summary>
    internal HeadResult Result(Pass pass)
    {
        var state = pass.States.Head;
        return new HeadResult(LossSum(pass.Backend, state),
            state.Hits.IsPresent ? HostValues.CountOnes(pass.Backend, state.Hits) : 0, state.Loss.Rows,
            state.Loss.Rows * (state.Targets.Values is null ? 1 : Width));
    }

    private void Chunk(Pass pass, State state, in Tensor features, int start, bool backward, in Tensor dFeatures)
    {
        var (targets, count) = (state.Targets, features.Rows);
        var scores = pass.Memory.NewActivation(count, Width);
        pass.Rows.Picked = targets.Rows.Slice(start, count);
        Output!.Forward(pass, state.Output, features, scores);
        var loss = state.Loss.RowRange(start, count).Reshape(1, count);
        if (targets.Labels is not null)
        {
            var op = new CrossEntropyOp
            {
                Logits = scores, Labels = state.Wanted.RowRange(start, count).Reshape(1, count), Loss = loss,
                Correct = state.Hits.RowRange(start, count).Reshape(1, count),
                Gradient = backward, GradientScale = targets.GradientScale, SoftCap = softCap,
            };
            if (targets.ClassWeights is { } weights)
                ClassWeighting.Run(pass.Backend, op, targets.Labels.AsSpan(start, count), weights);
            else pass.Backend.Run(op);
        }
        else
        {
            pass.Backend.Run(new RegressionLossOp
            {
                Logits = scores, Targets = state.Wanted.RowRange(start, count),
                Kind = targets.ValueLoss, Loss = loss, Gradient = backward, GradientScale = targets.GradientScale,
            });
        }
        if (backward) Output.Backward(pass, state.Output, scores, dFeatures, accumulate: false);
    }

    private static double LossSum(IBackend backend, State state) => state.Targets.ClassWeights is { } weights
        ? ClassWeighting.Sum(HostValues.Download(backend, state.Loss), state.Targets.Labels, weights)
        : HostValues.Sum(backend, state.Loss);

    // cap · tanh(scores / cap)
    private Tensor Cap(Pass pass, in Tensor scores)
    {
        var capped = pass.Scaled(scores, 1 / softCap);
        pass.Backend.Forward(new GateOp { X = capped, Activation = Activation.Tanh, Y = capped });
        pass.Backend.SetScaled(capped, softCap, scores);
        return scores;
    }

    private Tensor States(Pass pass, State state, in Tensor x, in Tensor rows)
    {
        var picked = x;
        if (!pass.Rows.Top.IsPresent)
        {
            picked = pass.Memory.NewActivation(rows.Columns, x.Columns);
            pass.Backend.Forward(new GatherOp { X = x, Rows = rows, Y = picked });
        }
        if (FinalNorm is not null)
        {
            var normed = pass.Memory.NewActivation(picked.Rows, picked.Columns);
            FinalNorm.Forward(pass, state.Norm, picked, normed);
            picked = normed;
        }
        return picked;
    }

    private Tensor Features(Pass pass, State state, in Tensor x, in Tensor rows)
    {
        var picked = States(pass, state, x, rows);
        if (scale != 1) picked = pass.Scaled(picked, scale);
        if (Pooler is null) return picked;
        var dense = pass.Memory.NewActivation(picked.Rows, Pooler.Out);
        Pooler.Forward(pass, state.Pooler, picked, dense);
        state.Activation = new GateOp
        {
            X = dense, Activation = poolerActivation, Y = pass.Memory.NewActivation(picked.Rows, Pooler.Out),
        };
        pass.Backend.Forward(state.Activation);
        return state.Activation.Y;
    }

    private void FeaturesBackward(Pass pass, State state, Tensor d, in Tensor rows, in Tensor dx)
    {
        if (Pooler is not null)
        {
            pass.Backend.Backward(state.Activation, new GateGradients { DY = d, DX = d });
            var dPicked = pass.Memory.NewActivation(d.Rows, Pooler.In);
            Pooler.Backward(pass, state.Pooler, d, dPicked, accumulate: false);
            d = dPicked;
        }
        if (scale != 1) d = pass.Scaled(d, scale);
        FinalNorm?.Backward(pass, state.Norm, d, d, accumulate: false);
        if (!dx.IsPresent) return;
        if (pass.Rows.Top.IsPresent)
        {
            pass.Backend.Copy(d, dx);
            return;
        }
        pass.Backend.Fill(dx, 0);
        pass.Backend.Backward(default(GatherOp) with { Rows = rows }, new GatherGradients { DY = d, DX = dx });
    }

    /// <summary>What the head keeps between forward and backward of a pass. Used by one thread at a time.</summary>
    internal sealed class State
    {
        internal NormState Norm { get; } = new();
        internal LinearState Pooler { get; } = new();
        internal LinearState Output { get; } = new();
        internal GateOp Activation { get; set; }

        /// <summary>What the head should say.</summary>
        internal HeadTargets Targets { get; } = new();

        /// <summary>On the backend: their rows, labels or values; each one's loss and whether it was hit.</summary>
        internal Tensor Rows, Wanted, Loss, Hits;
    }
}
