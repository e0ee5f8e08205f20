using System.Numerics;
using PeftNative.Cuda.Driver;
using PeftNative.Tensors;

namespace PeftNative.Cuda.Products;

/// <summary>
/// All of a product that the choice of an algorithm may depend on. Its text is what the file of choices knows it by.
/// </summary>
internal readonly record struct ProductKey(
    DType Type, DType ResultType, bool TransposeA, bool TransposeB, int Rows, int Columns, int Depth, int StrideA,
    int StrideB, int StrideC,
    int StrideD, int AlignmentA, int AlignmentB, int AlignmentC, int AlignmentD, int AlignmentBias, bool IsInPlace)
{
    public static ProductKey Of(in MatrixProduct product)
    {
        var (a, b, c, d) = (product.A, product.B, product.Source, product.Result);
        return new(a.Type, d.Type, product.TransposeA, product.TransposeB, d.Rows, d.Columns, product.Depth, a.Stride,
            b.Stride, c.Stride, d.Stride,
            Alignment(a), Alignment(b), Alignment(c), Alignment(d),
            product.Bias.IsPresent ? Alignment(product.Bias) : 0, c.Pointer == d.Pointer);
    }

    /// <summary>
    /// The key under which a measured choice is kept: sizes in steps of an eighth of their power of two, because
    /// batches have any number of rows and the same algorithm is the best for a few more of them.
    /// </summary>
    public ProductKey Rounded => this with { Rows = RoundUp(Rows), Columns = RoundUp(Columns), Depth = RoundUp(Depth) };

    /// <inheritdoc/>
    public override string ToString() =>
        $"{Type.Name()}-{ResultType.Name()} {(TransposeA ? "t" : "n")}{(TransposeB ? "t" : "n")} "
        + $"{Rows}x{Columns}x{Depth} " +
        $"strides {StrideA} {StrideB} {StrideC} {StrideD} aligned {AlignmentA} {AlignmentB} {AlignmentC} {AlignmentD} "
        + $"{AlignmentBias}" +
        (IsInPlace ? "" : " elsewhere");

    /// <summary>
    /// Bytes that an address is a multiple of, up to the 16 that a thread loads at once. More would make the choice
    /// depend on where an arena happens to put a tensor.
    /// </summary>
    private static int Alignment(in Tensor tensor) => 1 << Math.Min(4, BitOperations.TrailingZeroCount(tensor.Pointer));

    private static int RoundUp(int size)
    {
        var step = Math.Max(1, (int)BitOperations.RoundUpToPowerOf2((uint)size) / 16);
        return (size + step - 1) / step * step;
    }
}

/// <summary>
/// What cuBLASLt knows of the products of one key: their description, the layouts of their matrices, and the chosen
/// algorithm.
/// </summary>
internal sealed class CublasLtPlan : IDisposable
{
    private readonly CublasLt library;
    private nint bias;

    public CublasLtPlan(CublasLt library, in MatrixProduct product, in ProductKey key)
    {
        const uint plain = 1, withBias = 4;
        this.library = library;
        try
        {
            Descriptor = library.CreateDescriptor();
            // Columns first, so the transposed product: the second operand comes first.
            library.Set(Descriptor, LtDescriptorAttribute.TransposeA, product.TransposeB ? 1 : 0);
            library.Set(Descriptor, LtDescriptorAttribute.TransposeB, product.TransposeA ? 1 : 0);
            library.Set(Descriptor, LtDescriptorAttribute.Epilogue, product.Bias.IsPresent ? withBias : plain);
            // An address of the alignment of the key: that much of a bias, and no more, may decide which algorithm is
            // chosen.
            if (product.Bias.IsPresent) SetBias(key.AlignmentBias);
            First = library.CreateLayout(product.B);
            Second = library.CreateLayout(product.A);
            Source = library.CreateLayout(product.Source);
            Result = library.CreateLayout(product.Result);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public nint Descriptor { get; private set; }

    public nint First { get; private set; }

    public nint Second { get; private set; }

    public nint Source { get; private set; }

    public nint Result { get; private set; }

    public LtAlgorithm Algorithm { get; set; }

    /// <summary>Says where the bias is.</summary>
    public void SetBias(nint pointer)
    {
        if (pointer == bias) return;
        library.Set(Descriptor, LtDescriptorAttribute.BiasPointer, pointer);
        bias = pointer;
    }

    public void Dispose()
    {
        library.DestroyLayout(Result);
        library.DestroyLayout(Source);
        library.DestroyLayout(Second);
        library.DestroyLayout(First);
        library.DestroyDescriptor(Descriptor);
        (Descriptor, First, Second, Source, Result) = (0, 0, 0, 0, 0);
    }
}
