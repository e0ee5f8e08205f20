using PeftNative.Formats.Safetensors;
using PeftNative.Ops;

namespace PeftNative.Cli.Inspect;

/// <summary>What the numbers of a stored tensor look like.</summary>
/// <param name="Norm">The Euclidean norm of the finite values.</param>
/// <param name="Least">The least finite value; 0 where there is none.</param>
/// <param name="Most">The largest finite value; 0 where there is none.</param>
/// <param name="NanCount">How many values are not a number.</param>
/// <param name="InfinityCount">How many values are infinite.</param>
public sealed record TensorStatistics(double Norm, double Least, double Most, long NanCount, long InfinityCount)
{
    private const int Chunk = 1 << 18;

    /// <summary>Whether a tensor of its type can be measured.</summary>
    public static bool Covers(StoredTensor tensor) => tensor.Block != BlockFormat.None
        || tensor.Type is StoredType.F32 or StoredType.F16 or StoredType.BF16 or StoredType.F64;

    /// <summary>Measures a tensor in one pass with little memory; null for types that hold no plain numbers.</summary>
    public static TensorStatistics? Of(TensorFile file, StoredTensor tensor)
    {
        if (!Covers(tensor)) return null;
        var (squares, least, most, nan, infinite) = (0.0, double.PositiveInfinity, double.NegativeInfinity, 0L, 0L);
        foreach (var part in Parts(file, tensor))
        foreach (var value in part.Span)
        {
            if (float.IsNaN(value)) nan++;
            else if (float.IsInfinity(value)) infinite++;
            else
            {
                squares += (double)value * value;
                least = Math.Min(least, value);
                most = Math.Max(most, value);
            }
        }
        return new TensorStatistics(Math.Sqrt(squares), least <= most
            ? least : 0, least <= most ? most : 0, nan, infinite);
    }

    /// <summary>The values of a tensor in pieces; each piece is overwritten by the next.</summary>
    internal static IEnumerable<ReadOnlyMemory<float>> Parts(TensorFile file, StoredTensor tensor)
    {
        var buffer = new float[Math.Min(Chunk, tensor.ElementCount)];
        for (var done = 0L; done < tensor.ElementCount; done += buffer.Length)
        {
            var part = buffer.AsMemory(0, (int)Math.Min(buffer.Length, tensor.ElementCount - done));
            file.ReadAs(tensor, part.Span, done);
            yield return part;
        }
    }
}
