using PeftNative.Ops;

namespace PeftNative.Models.Layers;

/// <summary>
/// What the head should say, row by row: labels, or values, for chosen rows of the stream. Belongs to a pass and is
/// filled anew for every step, in the same memory. Used by one thread at a time.
/// </summary>
internal sealed class HeadTargets
{
    private int[] rows = [], labels = [];

    /// <summary>Number of rows.</summary>
    public int Count { get; private set; }

    /// <summary>The rows of the stream.</summary>
    public ReadOnlyMemory<int> Rows => rows.AsMemory(0, Count);

    /// <summary>A label per row; null for losses against values.</summary>
    public int[]? Labels => Values is null ? labels : null;

    /// <summary>Values per row and output, row by row; null for labels.</summary>
    public float[]? Values { get; private set; }

    /// <summary>The loss against values.</summary>
    public RegressionLoss ValueLoss { get; private set; }

    /// <summary>Factor of the gradient.</summary>
    public double GradientScale { get; set; }

    /// <summary>A factor for every label; null for none.</summary>
    public IReadOnlyList<double>? ClassWeights { get; set; }

    /// <summary>The sum of the rows' factors.</summary>
    public double WeightSum => labels.AsSpan(0, Count).ToArray().Sum(WeightOf);

    /// <summary>The factor of a label.</summary>
    public double WeightOf(int label) => ClassWeights?[label] ?? 1;

    /// <summary>Forgets the last ones, and makes room for so many rows.</summary>
    public void Begin(float[]? values, RegressionLoss valueLoss, int most)
    {
        (Values, ValueLoss, Count) = (values, valueLoss, 0);
        if (rows.Length < most) (rows, labels) = (new int[most], new int[most]);
    }

    /// <summary>Adds a row, with its label where there are any.</summary>
    public void Add(int row, int label = 0) => (rows[Count], labels[Count++]) = (row, label);
}
