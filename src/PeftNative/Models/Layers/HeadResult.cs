namespace PeftNative.Models.Layers;

/// <summary>
/// Summed over rows: the loss (over values also over outputs), the rows whose best score is the label, the rows, and
/// the terms of the loss.
/// </summary>
public readonly record struct HeadResult(double LossSum, int Correct, int Count, int Terms)
{
    /// <summary>The mean loss; 0 of nothing.</summary>
    public double Loss => LossSum / Math.Max(1, Terms);

    /// <summary>Adds two results.</summary>
    public static HeadResult operator +(HeadResult a, HeadResult b) =>
        new(a.LossSum + b.LossSum, a.Correct + b.Correct, a.Count + b.Count, a.Terms + b.Terms);

    /// <summary>Adds two results.</summary>
    public static HeadResult Add(HeadResult left, HeadResult right) => left + right;
}
