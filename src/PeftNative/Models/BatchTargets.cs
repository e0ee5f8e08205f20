using PeftNative.Models.Steps;
using PeftNative.Ops;

namespace PeftNative.Models;

/// <summary>Turns what data says into the rows and labels a head works on.</summary>
public static class BatchTargets
{
    /// <summary>A label that is not trained.</summary>
    public const int Ignored = -100;

    /// <summary>
    /// Labels per token, -100 for none. For a causal model the label of a token is what the row before it should say;
    /// else what its own row should say: for token classification its tag, for a decoder's input the token that comes
    /// next.
    /// </summary>
    /// <param name="pass">A pass that has begun the batch.</param>
    /// <param name="batch">The batch.</param>
    /// <param name="labels">One label per token of the batch, not shifted.</param>
    /// <param name="gradientScale">Factor of the gradient; null for 1 / (number of labelled rows).</param>
    /// <returns>Targets in memory of the pass, until it is asked for the next ones.</returns>
    public static HeadTargets PerToken(Pass pass, TokenBatch batch, int[] labels, double? gradientScale = null)
    {
        var causal = pass.Model.Task == ModelTask.CausalLM;
        var (rows, picked) = pass.HeadState.TargetBuffers(labels.Length);
        var count = 0;
        for (var s = 0; s < batch.SequenceCount; s++)
        for (var i = batch.Offsets[s]; i < batch.Offsets[s + 1]; i++)
        {
            if (labels[i] == Ignored) continue;
            var row = pass.Rows.RowOf(s, i - batch.Offsets[s]) - (causal ? 1 : 0);
            if (row < pass.Rows.Offsets[s]) continue; // nothing stands before the first token
            CheckLabel(labels[i], pass.Model.Head.Output.Out);
            (rows[count], picked[count++]) = (row, labels[i]);
        }
        return new HeadTargets { Rows = rows, Count = count, Labels = picked,
            GradientScale = gradientScale ?? 1.0 / Math.Max(1, count) };
    }

    /// <summary>One label per sequence.</summary>
    public static HeadTargets PerSequence(Pass pass, int[] labels, double? gradientScale = null)
    {
        foreach (var label in labels) CheckLabel(label, pass.Model.Head.Output.Out);
        return new HeadTargets
        {
            Rows = pass.Model.PooledRows(pass), Count = labels.Length, Labels = labels,
            GradientScale = gradientScale ?? 1.0 / labels.Length,
        };
    }

    /// <summary>Values per sequence, row by row: numbers to predict, or 0 and 1 for each of several labels.</summary>
    public static HeadTargets Values(Pass pass, float[] values, RegressionLoss loss, double? gradientScale = null)
    {
        var outputs = pass.Model.Head.Output.Out;
        if (values.Length != pass.Rows.SequenceCount * outputs)
            throw new DataException(
                $"{pass.Rows.SequenceCount} sequences need {outputs} values each, found {values.Length}.",
                remedy: "Give the model as many outputs as the data has values per record.");
        return new HeadTargets
        {
            Rows = pass.Model.PooledRows(pass), Count = pass.Rows.SequenceCount, Values = values, ValueLoss = loss,
            GradientScale = gradientScale ?? 1.0 / values.Length,
        };
    }

    private static void CheckLabel(int label, int count)
    {
        if ((uint)label >= (uint)count)
            throw new DataException($"The label {label} is not one of 0 to {count - 1}.",
                remedy: "Give the model as many labels as the data has.");
    }
}
