using PeftNative.Ilgpu.Kernels;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Ilgpu;

public sealed partial class IlgpuBackend
{
    /// <inheritdoc/>
    public void Forward(in EmbeddingOp op) => Each(EmbeddingKernels.Forward, op.Y.Count, new EmbeddingArguments
    {
        Tokens = Integers(op.Tokens),
        Positions = Integers(op.Positions),
        Types = Integers(op.Types),
        Table = View(op.Table),
        PositionTable = View(op.PositionTable),
        TypeTable = View(op.TypeTable),
        Virtual = View(op.Virtual),
        A = View(op.A),
        B = View(op.B),
        Y = View(op.Y),
        TokenScale = (float)op.TokenScale,
        LowRankScale = (float)op.LowRankScale,
    });

    /// <inheritdoc/>
    public void Backward(in EmbeddingOp op, in EmbeddingGradients gradients)
    {
        var dy = gradients.DY;
        if (dy.Rows == 0) return;
        if (gradients.DTable.IsPresent || gradients.DPositionTable.IsPresent || gradients.DTypeTable.IsPresent
            || gradients.DVirtual.IsPresent)
            Each(EmbeddingKernels.Tables, dy.Columns, new EmbeddingBackwardArguments
            {
                Tokens = Integers(op.Tokens),
                Positions = Integers(op.Positions),
                Types = Integers(op.Types),
                DY = View(dy),
                DTable = View(gradients.DTable),
                DPositionTable = View(gradients.DPositionTable),
                DTypeTable = View(gradients.DTypeTable),
                DVirtual = View(gradients.DVirtual),
                TokenScale = (float)op.TokenScale,
            });
        if (op.A.IsPresent) LowRankBackward(op, gradients);
    }

    /// <summary>
    /// With S_i = A[:, t_i] and c = TokenScale · scale: dB += c dYᵀ S;  dA[:, t_i] += c dY_i B. Virtual tokens have no
    /// S.
    /// </summary>
    private void LowRankBackward(in EmbeddingOp op, in EmbeddingGradients gradients)
    {
        scratch.Reset();
        var (rows, rank) = (gradients.DY.Rows, op.A.Rows);
        var factor = (float)(op.TokenScale * op.LowRankScale);
        var columns = scratch.Allocate(DType.Float32, rows, rank);
        if (gradients.DB.IsPresent)
        {
            Each(EmbeddingKernels.GatherColumns, columns.Count, TokenColumns(op.Tokens, op.A, columns));
            Multiply(Product(View(gradients.DY).Transposed, View(columns), View(gradients.DB),
                accumulate: true) with { Factor = factor });
        }
        if (!gradients.DA.IsPresent) return;
        Multiply(Product(View(gradients.DY), View(op.B), View(columns), accumulate: false) with { Factor = factor });
        Each(EmbeddingKernels.ScatterColumns, rank, TokenColumns(op.Tokens, gradients.DA, columns));
    }

    private TokenColumnsArguments TokenColumns(in Tensor tokens, in Tensor a, in Tensor columns) =>
        new() { Tokens = Integers(tokens), A = View(a), Columns = View(columns) };
}
