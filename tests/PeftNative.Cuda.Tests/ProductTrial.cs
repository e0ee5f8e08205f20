using PeftNative.Cuda.Driver;
using PeftNative.Tensors;
using Xunit;

namespace PeftNative.Cuda.Tests;

/// <summary>A product of made-up matrices on a backend of its own.</summary>
internal sealed class ProductTrial : IDisposable
{
    private readonly Arena arena;
    private readonly int offset;

    /// <param name="type">The type of the operands.</param>
    /// <param name="offset">Elements that every matrix lies behind an aligned address.</param>
    public ProductTrial(DType type = DType.Float32, int offset = 0)
    {
        Backend = Emulator.Open(type);
        Type = type;
        this.offset = offset;
        arena = new Arena(Backend, "test");
    }

    public CudaBackend Backend { get; }

    public DType Type { get; }

    /// <summary>Shapes [rows, depth] · [depth, columns], each matrix with some columns more than it uses.</summary>
    public MatrixProduct Make(int rows, int columns, int depth, bool transposeA = false, bool transposeB = true,
        DType? result = null, float beta = 0)
    {
        var a = transposeA ? Filled(Type, depth, rows, 1) : Filled(Type, rows, depth, 1);
        var b = transposeB ? Filled(Type, columns, depth, 2) : Filled(Type, depth, columns, 2);
        return new(a, transposeA, b, transposeB, Filled(result ?? Type, rows, columns, 3)) { Alpha = 0.75f,
            Beta = beta };
    }

    /// <summary>Makes the product and reads the result.</summary>
    public float[] Run(in MatrixProduct product)
    {
        Assert.True(Backend.Products.TryMultiply(product));
        return Read(product.Result);
    }

    /// <summary>The elements of a matrix.</summary>
    public float[] Read(Tensor matrix)
    {
        var whole = HostValues.Download(Backend,
            matrix with { Pointer = matrix.Pointer - offset * matrix.Type.Size(), Columns = matrix.Stride });
        return [.. Enumerable.Range(0, matrix.Rows * matrix.Columns)
            .Select(i => whole[i / matrix.Columns * matrix.Stride + offset + i % matrix.Columns])];
    }

    /// <summary>A matrix of sixteenths, no two columns alike.</summary>
    public Tensor Filled(DType type, int rows, int columns, int seed)
    {
        const int gap = 3;
        var whole = arena.Allocate(type, rows, columns + gap);
        HostValues.Upload(Backend,
            [.. Enumerable.Range(0, rows * (columns + gap)).Select(i => (i * 7 + i / 5 * seed) % 33 / 16f - 1)], whole);
        return whole.Slice(offset, columns);
    }

    public void Dispose()
    {
        arena.Dispose();
        Backend.Dispose();
    }
}
