using PeftNative.Backends.Reference;
using PeftNative.Ops;
using PeftNative.Tensors;
using Xunit;

namespace PeftNative.Tests.Ops;

/// <summary>
/// Compares hand-written gradients on the fp64 reference with central differences of the loss Σ w ⊙ out, where w is the
/// gradient of the output. Summed gradients start from a value of their own and overwritten ones from NaN, so that +=
/// and = are told apart.
/// </summary>
internal sealed class FiniteDifferences : IDisposable
{
    private const double Step = 1e-6;
    private const double AbsoluteTolerance = 1e-7;
    private const double RelativeTolerance = 1e-5;
    private const double SumStart = 0.5;

    private readonly Random random = new(7);
    private readonly Arena arena;
    private readonly List<(string Name, Tensor Value, Tensor Gradient, double Start)> parameters = [];

    public FiniteDifferences() => arena = new Arena(Backend, "finite differences");

    public IBackend Backend { get; } = ReferenceBackend.Create(DType.Float64);

    /// <summary>Random numbers of magnitude 0.1 to 1.1, away from the kink of relu.</summary>
    public Tensor Random(int rows, int columns)
    {
        var result = arena.Allocate(DType.Float64, rows, columns);
        foreach (ref var v in result.Span<double>()) v = (random.NextDouble() + 0.1) * (random.Next(2) * 2 - 1);
        return result;
    }

    public Tensor Filled(int rows, int columns, double value)
    {
        var result = arena.Allocate(DType.Float64, rows, columns);
        result.Span<double>().Fill(value);
        return result;
    }

    public Tensor Zeros(int rows, int columns) => Filled(rows, columns, 0);

    public Tensor Integers(int rows, params int[] values)
    {
        var result = arena.Allocate(DType.Int32, rows, values.Length / rows);
        values.CopyTo(result.Span<int>());
        return result;
    }

    /// <summary>A gradient that is added to, of a parameter to check.</summary>
    public Tensor Sum(string name, Tensor parameter) => Watch(name, parameter, SumStart, SumStart);

    /// <summary>A gradient that is overwritten, of a parameter to check.</summary>
    public Tensor Overwritten(string name, Tensor parameter) => Watch(name, parameter, double.NaN, 0);

    /// <summary>Remembers a gradient that exists already.</summary>
    public void Watch(string name, Tensor parameter, Tensor gradient) => parameters.Add((name, parameter, gradient, 0));

    /// <summary>Σ weights ⊙ output.</summary>
    public static double Weighted(Tensor output, Tensor weights)
    {
        var sum = 0.0;
        for (var i = 0; i < output.Rows; i++)
            for (var j = 0; j < output.Columns; j++)
                sum += Elements.Get(output, i, j) * Elements.Get(weights, i, j);
        return sum;
    }

    /// <summary>Checks every element of every parameter; the loss runs the forward.</summary>
    public void Check(Func<double> loss)
    {
        Assert.NotEmpty(parameters);
        foreach (var (name, value, gradient, start) in parameters)
            for (var i = 0; i < value.Rows; i++)
                for (var j = 0; j < value.Columns; j++)
                {
                    var numeric = Difference(loss, value, i, j);
                    var analytic = Elements.Get(gradient, i, j) - start;
                    var allowed = AbsoluteTolerance + RelativeTolerance * Math.Abs(numeric);
                    Assert.True(Math.Abs(analytic - numeric) <= allowed,
                        $"{name}[{i}, {j}]: the gradient is {analytic:g9}, differences give {numeric:g9}");
                }
    }

    public void Dispose()
    {
        arena.Dispose();
        Backend.Dispose();
    }

    private Tensor Watch(string name, Tensor parameter, double fill, double start)
    {
        var gradient = Filled(parameter.Rows, parameter.Columns, fill);
        parameters.Add((name, parameter, gradient, start));
        return gradient;
    }

    private static double Difference(Func<double> loss, Tensor value, int row, int column)
    {
        var original = Elements.Get(value, row, column);
        Elements.Set(value, row, column, original + Step);
        var above = loss();
        Elements.Set(value, row, column, original - Step);
        var below = loss();
        Elements.Set(value, row, column, original);
        return (above - below) / (2 * Step);
    }
}
