using PeftNative.Formats;
using PeftNative.Formats.Safetensors;

namespace PeftNative.Cli.Inspect;

/// <summary>How two tensors of one name relate.</summary>
public enum TensorRelation
{
    /// <summary>Same type, shape and bytes.</summary>
    Equal,

    /// <summary>Same shape, other values or another type.</summary>
    Changed,

    /// <summary>Other shapes, or values that cannot be compared as numbers.</summary>
    Different,

    /// <summary>Only in the first.</summary>
    Removed,

    /// <summary>Only in the second.</summary>
    Added,
}

/// <summary>The difference of one tensor between two sets.</summary>
/// <param name="Name">The tensor.</param>
/// <param name="Relation">How they relate.</param>
/// <param name="LargestDifference">The largest absolute difference of a value, NaN where only one side has a number;
/// null unless changed.</param>
/// <param name="RelativeDifference">The norm of the difference over the norm of the first; null unless changed.</param>
public sealed record TensorComparison(string Name, TensorRelation Relation, double? LargestDifference = null,
    double? RelativeDifference = null)
{
    /// <summary>Compares two sets of tensors by name, in the order of names.</summary>
    public static IEnumerable<TensorComparison> Of(WeightSource first, WeightSource second)
    {
        var names = first.Tensors.Concat(second.Tensors).Select(t => t.Name).Distinct().Order(StringComparer.Ordinal);
        foreach (var name in names)
        {
            if (first.Find(name) is not { } a) yield return new(name, TensorRelation.Added);
            else if (second.Find(name) is not { } b) yield return new(name, TensorRelation.Removed);
            else yield return Compare((first.FileOf(name), a), (second.FileOf(name), b));
        }
    }

    private static TensorComparison Compare(
        (TensorFile File, StoredTensor Tensor) a, (TensorFile File, StoredTensor Tensor) b)
    {
        var name = a.Tensor.Name;
        if (!a.Tensor.Shape.AsSpan().SequenceEqual(b.Tensor.Shape.AsSpan())) return new(name, TensorRelation.Different);
        if (a.Tensor.TypeName == b.Tensor.TypeName && HaveEqualBytes(a, b)) return new(name, TensorRelation.Equal);
        if (!TensorStatistics.Covers(a.Tensor) || !TensorStatistics.Covers(b.Tensor))
            return new(name, TensorRelation.Different);
        var (largest, squares, norm) = (0.0, 0.0, 0.0);
        foreach (var (x, y) in TensorStatistics.Parts(a.File, a.Tensor).Zip(TensorStatistics.Parts(b.File, b.Tensor)))
        for (var i = 0; i < x.Length; i++)
        {
            double before = x.Span[i], difference = y.Span[i] - before;
            largest = Math.Max(largest, Math.Abs(difference)); // keeps a NaN
            squares += difference * difference;
            norm += before * before;
        }
        return new(name, TensorRelation.Changed, largest, norm > 0
            ? Math.Sqrt(squares / norm) : double.PositiveInfinity);
    }

    private static bool HaveEqualBytes(
        (TensorFile File, StoredTensor Tensor) a, (TensorFile File, StoredTensor Tensor) b)
    {
        const int chunk = 1 << 24;
        for (var at = 0L; at < a.Tensor.ByteLength; at += chunk)
        {
            var length = (int)Math.Min(chunk, a.Tensor.ByteLength - at);
            if (!a.File.Bytes(a.Tensor, at, length).SequenceEqual(b.File.Bytes(b.Tensor, at, length))) return false;
        }
        return true;
    }
}
