using PeftNative.Backends.Reference;
using PeftNative.Tensors;

namespace PeftNative.Lab.Cases;

/// <summary>
/// What the inputs of a run depend on: the case, the types they are rounded to, and the perturbation.
/// </summary>
/// <param name="Case">The case.</param>
/// <param name="InputType">The type of activations of the tested backend.</param>
/// <param name="WeightType">The type of its frozen weights.</param>
internal sealed record CaseSetting(OperationCase Case, DType InputType, DType WeightType)
{
    private readonly ulong key = CaseRandom.Hash(Case.Seed, Case.Name);

    /// <summary>The type of vectors, statistics and trained matrices.</summary>
    public DType ParameterType => InputType == DType.Float64 ? DType.Float64 : DType.Float32;

    /// <summary>0, or the number of a perturbation of the inputs by a few units in the last place.</summary>
    public int Perturbation { get; init; }

    /// <summary>Whether operands that may share memory do so (never for the reference, which shows what is
    /// right).</summary>
    public bool MayAlias { get; init; }

    /// <summary>The limits of the normalised mean square error that hold for the types.</summary>
    public CaseLimits Limits(bool isProduct)
    {
        var coarser = UnitRoundoff(WeightType) > UnitRoundoff(InputType) ? WeightType : InputType;
        var (elementwise, product) = coarser switch
        {
            DType.Float64 => (1e-26, 1e-24),
            DType.Float32 => (1e-12, 1e-10),
            DType.Float16 => (3e-7, 1e-6),
            _ => (5e-6, 5e-5),
        };
        return new(isProduct ? product : elementwise, UnitRoundoff(coarser), SmallestNormal(coarser),
            Case.Family == Family.Integers && InputType is (DType.Float32 or DType.Float64));
    }

    /// <summary>The value of an element of an operand.</summary>
    public double Value(string operand, DType roundTo, int row, int column, int rows, Spread spread,
        Func<int, int, double, double>? shape)
    {
        var random = new CaseRandom(CaseRandom.Hash(key, operand), (ulong)row << 32 | (uint)column);
        // 16-bit products set the bounds
        var drawn = InputType is DType.BFloat16 or DType.Float16 ? InputType : roundTo;
        var value = random.Draw(Case.Family, drawn, rows > 1 ? row : column, spread);
        if (shape is not null) value = shape(row, column, value);
        value = Elements.Round(roundTo, value);
        if (Perturbation == 0 || !double.IsFinite(value)) return value;
        var noise = new CaseRandom(CaseRandom.Hash(key, $"{operand}~{Perturbation}"), (ulong)row << 32 | (uint)column);
        return value * (1 + 4 * UnitRoundoff(roundTo) * (2 * noise.Uniform() - 1));
    }

    public int Integer(string operand, int index, int limit) =>
        (int)(new CaseRandom(CaseRandom.Hash(key, operand), (ulong)index).Uniform() * limit);

    public ulong Word(string name) => CaseRandom.Hash(key, name);

    private static double UnitRoundoff(DType type) => type switch
    {
        DType.Float64 => Math.ScaleB(1, -53),
        DType.Float32 => Math.ScaleB(1, -24),
        DType.Float16 => Math.ScaleB(1, -11),
        _ => Math.ScaleB(1, -8),
    };

    private static double SmallestNormal(DType type) => type switch
    {
        DType.Float64 => Math.ScaleB(1, -1022),
        DType.Float16 => Math.ScaleB(1, -14),
        _ => Math.ScaleB(1, -126),
    };
}

/// <summary>What an output may differ by.</summary>
/// <param name="Nmse">Limit of Σ (a - b)² / Σ b².</param>
/// <param name="UnitRoundoff">Largest relative error of one rounding.</param>
/// <param name="SmallestNormal">Errors of this size count as none.</param>
/// <param name="IntegersAreExact">Whether sums of small integers must be equal.</param>
internal sealed record CaseLimits(double Nmse, double UnitRoundoff, double SmallestNormal, bool IntegersAreExact);

/// <summary>How far the magnitudes of an input may go, as powers of two: of whole rows, and of single adversarial
/// elements.</summary>
internal readonly record struct Spread(int Rows, int Elements)
{
    public static readonly Spread Wide = new(6, 20);
    public static readonly Spread Narrow = new(1, 3);
}
