using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Models;

/// <summary>
/// What stands on top of the layers: the final norm, a pooler where the family has one, and the output projection. It
/// works only on the rows somebody asks for, and on scores in chunks, so no matrix [tokens, vocabulary] is ever whole
/// unless asked for. Used by one thread at a time, like its backend.
/// </summary>
public sealed class ModelHead(
    NormSite? finalNorm, LinearSite? pooler, Activation poolerActivation, LinearSite output, double softCap,
    double scale = 1)
{
    /// <summary>Norm after the last layer, or null.</summary>
    public NormSite? FinalNorm { get; } = finalNorm;

    /// <summary>Dense layer with an activation in front of the classifier, or null.</summary>
    public LinearSite? Pooler { get; } = pooler;

    /// <summary>The output projection [labels or vocabulary, D].</summary>
    public LinearSite Output { get; } = output;

    /// <summary>Scores of the chosen rows of the stream x, [rows, labels or vocabulary].</summary>
    public Tensor Scores(Pass pass, in Tensor x, int[] rows)
    {
        var state = new State();
        pass.Rows.Picked = rows;
        var features = Features(pass, state, x, pass.Memory.Upload(rows, 1, rows.Length));
        var scores = pass.Memory.NewActivation(rows.Length, Output.Out);
        Output.Forward(pass, state.Output, features, scores);
        return softCap > 0 ? Cap(pass, scores) : scores;
    }

    /// <summary>
    /// The summed loss of the chosen rows, which are all there are where the pass has picked them below the last
    /// sub-block. With <paramref name="dx"/> present its gradient times
    /// <see cref="HeadTargets.GradientScale"/> is written there (=, zero in rows nobody chose), and added to trained
    /// parameters of the head.
    /// </summary>
    public HeadResult Loss(Pass pass, in Tensor x, HeadTargets targets, bool backward, in Tensor dx)
    {
        Take(pass, targets);
        Run(pass, x, targets, backward, dx);
        return Result(pass);
    }

    /// <summary>Takes the targets to the backend, and makes room for what becomes of them.</summary>
    internal void Take(Pass pass, HeadTargets targets)
    {
        var (state, count) = (pass.HeadState, targets.Count);
        state.Rows = pass.Memory.Upload(targets.Rows, 1, count);
        state.Wanted = targets.Labels is { } labels ? pass.Memory.Upload(labels, count, 1)
            : HostValues.Upload(pass.Backend, targets.Values.AsSpan(0, count * Output.Out),
                pass.Memory.NewStatistic(count, Output.Out));
        state.Loss = pass.Memory.NewStatistic(count, 1);
        state.Hits = targets.Labels is null ? default : pass.Memory.Arena.Allocate(DType.Int32, count, 1);
    }

    /// <summary>The loss of all rows, and gradients, for targets that were taken.</summary>
    internal void Run(Pass pass, in Tensor x, HeadTargets targets, bool backward, in Tensor dx)
    {
        var state = pass.HeadState;
        pass.Rows.Picked = targets.Rows.AsMemory(0, targets.Count);
        var features = Features(pass, state, x, state.Rows);
        var needsFeatures = backward
            && (dx.IsPresent || pass.Adapters.IsTrained(FinalNorm?.Gamma) || (Pooler?.IsTrained(pass) ?? false));
        var dFeatures = needsFeatures ? pass.Memory.NewActivation(targets.Count, features.Columns) : default;
        var rowBytes = (long)Output.Out * pass.Memory.Type.Size();
        var chunk = (int)Math.Clamp(pass.Backend.ScoreBytes / rowBytes, 1, Math.Max(1, targets.Count));
        for (var start = 0; start < targets.Count; start += chunk)
        {
            var count = Math.Min(chunk, targets.Count - start);
            var mark = pass.Memory.Arena.Mark();
            Chunk(pass, state, features.RowRange(start, count), targets, start, backward,
                needsFeatures ? dFeatures.RowRange(start, count) : default);
            pass.Memory.Arena.Release(mark);
        }
        if (needsFeatures) FeaturesBackward(pass, state, dFeatures, state.Rows, dx);
    }

    /// <summary>What the last run came to, of all rows together, so that the host waits once.</summary>
    internal static HeadResult Result(Pass pass)
    {
        var state = pass.HeadState;
        return new HeadResult(HostValues.Sum(pass.Backend, state.Loss),
            state.Hits.IsPresent ? HostValues.CountOnes(pass.Backend, state.Hits) : 0, state.Loss.Rows);
    }

    private void Chunk(Pass pass, State state, in Tensor features, HeadTargets targets, int start, bool backward,
        in Tensor dFeatures)
    {
        var count = features.Rows;
        var scores = pass.Memory.NewActivation(count, Output.Out);
        pass.Rows.Picked = targets.Rows.AsMemory(start, count);
        Output.Forward(pass, state.Output, features, scores);
        var loss = state.Loss.RowRange(start, count).Reshape(1, count);
        if (targets.Labels is not null)
        {
            pass.Backend.Run(new CrossEntropyOp
            {
                Logits = scores, Labels = state.Wanted.RowRange(start, count).Reshape(1, count), Loss = loss,
                Correct = state.Hits.RowRange(start, count).Reshape(1, count),
                Gradient = backward, GradientScale = targets.GradientScale, SoftCap = softCap,
            });
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

    // cap · tanh(scores / cap)
    private Tensor Cap(Pass pass, in Tensor scores)
    {
        var capped = pass.Memory.NewActivation(scores.Rows, scores.Columns);
        pass.Backend.Fill(capped, 0);
        pass.Backend.AddScaled(scores, 1 / softCap, capped);
        pass.Backend.Forward(new GateOp { X = capped, Activation = Activation.Tanh, Y = capped });
        pass.Backend.Fill(scores, 0);
        pass.Backend.AddScaled(capped, softCap, scores);
        return scores;
    }

    private Tensor Features(Pass pass, State state, in Tensor x, in Tensor rows)
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
        if (scale != 1) picked = Scaled(pass, picked);
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

    private Tensor Scaled(Pass pass, in Tensor x)
    {
        var scaled = pass.Memory.NewActivation(x.Rows, x.Columns);
        pass.Backend.Fill(scaled, 0);
        pass.Backend.AddScaled(x, scale, scaled);
        return scaled;
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
        if (scale != 1) d = Scaled(pass, d);
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
    public sealed class State
    {
        private int[] targetRows = [], targetLabels = [];

        internal NormState Norm { get; } = new();
        internal LinearState Pooler { get; } = new();
        internal LinearState Output { get; } = new();
        internal GateOp Activation { get; set; }

        /// <summary>Of the targets: their rows, labels or values; and each one's loss and whether it was hit.</summary>
        internal Tensor Rows, Wanted, Loss, Hits;

        /// <summary>Memory for as many rows and their labels, the same from step to step.</summary>
        internal (int[] Rows, int[] Labels) TargetBuffers(int count)
        {
            if (targetRows.Length < count) (targetRows, targetLabels) = (new int[count], new int[count]);
            return (targetRows, targetLabels);
        }
    }
}

/// <summary>What the head should have said: labels, or values, for chosen rows of the stream.</summary>
public readonly record struct HeadTargets
{
    /// <summary>Rows of the stream; the first <see cref="Count"/> count.</summary>
    public required int[] Rows { get; init; }

    /// <summary>Number of rows.</summary>
    public required int Count { get; init; }

    /// <summary>A label per row, the first <see cref="Count"/> count; null for losses against values.</summary>
    public int[]? Labels { get; init; }

    /// <summary>Values per row and output, row by row; null for labels.</summary>
    public float[]? Values { get; init; }

    /// <summary>The loss against values.</summary>
    public RegressionLoss ValueLoss { get; init; }

    /// <summary>Factor of the gradient: 1 / (number of loss terms of the whole optimizer step).</summary>
    public double GradientScale { get; init; }
}

/// <summary>
/// Summed over rows: the loss (over values also over outputs), the rows whose best score is the label, and the rows.
/// </summary>
public readonly record struct HeadResult(double LossSum, int Correct, int Count)
{
    /// <summary>Adds two results.</summary>
    public static HeadResult operator +(HeadResult a, HeadResult b) =>
        new(a.LossSum + b.LossSum, a.Correct + b.Correct, a.Count + b.Count);

    /// <summary>Adds two results.</summary>
    public static HeadResult Add(HeadResult left, HeadResult right) => left + right;
}
