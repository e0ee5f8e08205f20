using ILGPU;
using PeftNative.Ilgpu.Kernels.Common;

namespace PeftNative.Ilgpu.Kernels;

internal struct EmbeddingArguments
{
    public ArrayView<int> Tokens, Positions, Types;
    public Matrix Table, PositionTable, TypeTable, Virtual, A, B, Y;
    public float TokenScale, LowRankScale;
}

internal struct EmbeddingBackwardArguments
{
    public ArrayView<int> Tokens, Positions, Types;
    public Matrix DY, DTable, DPositionTable, DTypeTable, DVirtual;
    public float TokenScale;
}

/// <summary>Columns of A by token, to and fro: Columns[i, r] = A[r, Tokens[i]], zeros for virtual tokens.</summary>
internal struct TokenColumnsArguments
{
    public ArrayView<int> Tokens;
    public Matrix A, Columns;
}

internal static class EmbeddingKernels
{
    public static void Forward(Index1D index, EmbeddingArguments a)
    {
        var (row, d) = (index / a.Y.Columns, index % a.Y.Columns);
        var value = TokenEmbedding(a, a.Tokens[row], d);
        if (a.PositionTable.IsPresent) value += a.PositionTable[a.Positions[row], d];
        if (a.TypeTable.IsPresent) value += a.TypeTable[a.Types[row], d];
        a.Y.Set(row, d, value);
    }

    /// <summary>Gradients of the tables, row after row; a thread per column.</summary>
    public static void Tables(Index1D d, EmbeddingBackwardArguments a)
    {
        for (var i = 0; i < a.DY.Rows; i++)
        {
            var token = a.Tokens[i];
            var dy = a.DY[i, d];
            if (token < 0)
            {
                if (a.DVirtual.IsPresent) a.DVirtual.Add(-1 - token, d, dy);                        // +=
            }
            else if (a.DTable.IsPresent)
            {
                a.DTable.Add(token, d, a.TokenScale * dy);                                          // +=
            }
            if (a.DPositionTable.IsPresent) a.DPositionTable.Add(a.Positions[i], d, dy);            // +=
            if (a.DTypeTable.IsPresent) a.DTypeTable.Add(a.Types[i], d, dy);                        // +=
        }
    }

    public static void GatherColumns(Index1D index, TokenColumnsArguments a)
    {
        var (i, r) = (index / a.Columns.Columns, index % a.Columns.Columns);
        var token = a.Tokens[i];
        a.Columns.Set(i, r, token < 0 ? 0 : a.A[r, token]);
    }

    /// <summary>A[r, Tokens[i]] += Columns[i, r] in the order of i; a thread per r.</summary>
    public static void ScatterColumns(Index1D r, TokenColumnsArguments a)
    {
        for (var i = 0; i < a.Columns.Rows; i++)
        {
            var token = a.Tokens[i];
            if (token >= 0) a.A.Add(r, token, a.Columns[i, r]);
        }
    }

    private static float TokenEmbedding(EmbeddingArguments a, int token, int d)
    {
        if (token < 0) return a.Virtual[-1 - token, d];
        var low = 0f;
        if (a.A.IsPresent)
            for (var r = 0; r < a.A.Rows; r++) low += a.A[r, token] * a.B[d, r];
        return a.TokenScale * (a.Table[token, d] + a.LowRankScale * low);
    }
}
