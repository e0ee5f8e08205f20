using System.Runtime.InteropServices;
using PeftNative.Cuda.Driver;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Cuda;

public sealed partial class CudaBackend
{
    /// <inheritdoc/>
    public void Forward(in EmbeddingOp op)
    {
        CheckRange("embedding forward", "Tokens", op.Tokens, -op.Virtual.Rows, op.Table.Rows);
        if (op.PositionTable.IsPresent)
            CheckRange("embedding forward", "Positions", op.Positions, 0, op.PositionTable.Rows);
        if (op.TypeTable.IsPresent) CheckRange("embedding forward", "Types", op.Types, 0, op.TypeTable.Rows);
        var arguments = new KernelArguments();
        arguments.Add(op.Tokens).Add(op.Positions).Add(op.Types).Add(new EmbeddingTables(op)).Add(op.Y);
        Launch(kernels.Get("embedding", "embedding_forward", op.Y.Type, op.Table.Type), Pieces(op.Y), arguments);
    }

    /// <inheritdoc/>
    public void Backward(in EmbeddingOp op, in EmbeddingGradients gradients)
    {
        if (gradients.DY.Rows == 0) return;
        TableGradient(gradients.DY, op.Tokens, op.TokenScale, false, gradients.DTable);
        TableGradient(gradients.DY, op.Tokens, 1, true, gradients.DVirtual);
        TableGradient(gradients.DY, op.Positions, 1, false, gradients.DPositionTable);
        TableGradient(gradients.DY, op.Types, 1, false, gradients.DTypeTable);
        if (!op.A.IsPresent) return;

        var scale = (float)(op.TokenScale * op.LowRankScale);
        var type = gradients.DY.Type;
        if (gradients.DA.IsPresent)
        {
            var arguments = new KernelArguments();
            arguments.Add(gradients.DY).Add(op.Tokens).Add(scale).Add(op.B).Add(gradients.DA);
            Launch(kernels.Get("embedding", "embedding_a_gradient", type),
                new(Cover(op.A.Columns, LargestElementBlock / WarpSize), LargestElementBlock), arguments);
        }
        if (gradients.DB.IsPresent)
        {
            var arguments = new KernelArguments();
            arguments.Add(gradients.DY).Add(op.Tokens).Add(scale).Add(op.A).Add(gradients.DB);
            var threads = ThreadsFor(op.B.Rows);
            Launch(kernels.Get("embedding", "embedding_b_gradient", type),
                new(new(Cover(op.B.Rows, threads), op.B.Columns), threads), arguments);
        }
    }

    private void TableGradient(in Tensor dy, in Tensor ids, double scale, bool isVirtual, in Tensor dtable)
    {
        if (!dtable.IsPresent) return;
        var arguments = new KernelArguments();
        arguments.Add(dy).Add(ids).Add((float)scale).Add(isVirtual ? 1 : 0).Add(dtable);
        Launch(kernels.Get("embedding", "embedding_table_gradient", dy.Type),
            new(dtable.Rows, ThreadsFor(dy.Columns)), arguments);
    }

    /// <summary>Refuses ids that lie outside a table, where the host knows them.</summary>
    private void CheckRange(string operation, string name, in Tensor ids, int first, int end)
    {
        if (!integers.TryGet(ids, out var values)) return;
        for (var i = 0; i < values.Length; i++)
            if (values[i] < first || values[i] >= end)
                throw new DataException(
                    $"The CUDA backend refused: {operation}: {name}[{i}] is {values[i]}, outside [{first}, {end}).");
    }

    /// <summary>The layout of <c>EmbeddingTables</c> in kernels/embedding.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private readonly struct EmbeddingTables(in EmbeddingOp op)
    {
        public readonly Tensor Table = op.Table, PositionTable = op.PositionTable, TypeTable = op.TypeTable;
        public readonly Tensor Virtual = op.Virtual, A = op.A, B = op.B;
        public readonly float TokenScale = (float)op.TokenScale, LowRankScale = (float)op.LowRankScale;
    }
}
