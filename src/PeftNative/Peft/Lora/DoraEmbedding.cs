using PeftNative.Models;
using PeftNative.Models.Layers;
using PeftNative.Models.Weights;
using PeftNative.Ops;
using PeftNative.Peft.Tokens;
using PeftNative.Tensors;

namespace PeftNative.Peft.Lora;

/// <summary>
/// DoRA at the token embedding. With E = Table + scale · (B A)ᵀ and g = magnitude / ‖E‖ by columns (a constant in the
/// backward, as in <see cref="DoraScaleOp"/>) a token's row becomes g ⊙ E[t]: what LoRA gives, and (g - 1) ⊙ E[t].
/// Owns a turned copy of the table, whose norms it needs.
/// </summary>
internal sealed class DoraEmbedding : IDisposable
{
    private readonly TransformerModel model;
    private readonly Parameter magnitude;
    private readonly Arena memory;
    private readonly MadeOfBase turned;
    private double[]? mergedNorm;

    internal DoraEmbedding(TransformerModel model, Parameter magnitude)
    {
        (this.model, this.magnitude) = (model, magnitude);
        var table = model.Embedding.Table;
        memory = new Arena(model.Backend, "DoRA's turned embedding");
        turned = new MadeOfBase(model, memory.Allocate(model.Backend.ComputeType, table.Columns, table.Rows),
            t => LoraMerge.Transpose(HostValues.DownloadDoubles(model.Backend, t), t.Rows, t.Columns));
    }

    /// <summary>The magnitudes [1, D].</summary>
    internal Parameter Magnitude => magnitude;

    private Parameter Own => model.Embedding.Table.TiedTo ?? model.Embedding.Table;

    internal void BeforeForward(Pass pass, LoraPair pair)
    {
        var (norm, rest) =
            (pass.Memory.NewStatistic(1, magnitude.Columns), pass.Memory.NewStatistic(1, magnitude.Columns));
        var quotient = pass.Memory.NewStatistic(1, magnitude.Columns);
        var table = turned.Of(pass.Adapters.Resolve(model.Embedding.Table));
        pass.Backend.Forward(ScaleOp(table, pair, norm) with { G = quotient });
        pass.Backend.Fill(rest, -1);
        pass.Backend.AddScaled(quotient, 1, rest);
        (pass.EmbeddingState.ColumnNorms, pass.EmbeddingState.Excess) = (norm, rest);
    }

    // Y += (g - 1) ⊙ E[t]
    internal static void AfterForward(Pass pass, in EmbeddingOp op)
    {
        var mark = pass.Memory.Arena.Mark();
        var product = Product(pass, op);
        pass.Backend.Forward(product);
        pass.Backend.AddScaled(product.Y, 1, op.Y);
        pass.Memory.Arena.Release(mark);
    }

    internal void AfterBackward(Pass pass, in EmbeddingOp op, in EmbeddingGradients gradients, LoraPair pair)
    {
        var backend = pass.Backend;
        var (rows, width) = (op.Y.Rows, op.Y.Columns);
        var product = Product(pass, op);
        var (dTokens, dFactors) = (product.Y, pass.Memory.NewActivation(rows, width));
        backend.Backward(product, new GateGradients { DY = gradients.DY, DX = dTokens, DUp = dFactors });
        backend.Backward(TokensAlone(pass, op, default), new EmbeddingGradients
        {
            DY = dTokens, DTable = gradients.DTable, DA = gradients.DA, DB = gradients.DB,
        });
        if (!magnitude.Gradient.IsPresent) return;
        var dQuotient = pass.Memory.NewStatistic(1, width);
        backend.Fill(dQuotient, 0);
        backend.Backward(Spread(pass, product.Up), new LinearGradients
        {
            DY = dFactors, DW = dQuotient.Reshape(width, 1), Scratch = pass.Memory.NewActivation(1, rows * (width + 1)),
        });
        backend.Backward(ScaleOp(turned.Of(pass.Adapters.Resolve(model.Embedding.Table)), pair,
            pass.EmbeddingState.ColumnNorms),
            new DoraScaleGradients { DG = dQuotient, DMagnitude = magnitude.Gradient });
    }

    /// <summary>Starts as the norms of the columns.</summary>
    internal void Initialize(LoraPair pair) => HostValues.Upload(model.Backend, Norms(pair), magnitude.Value);

    /// <summary>Whether the magnitudes are the norms, to a few roundings.</summary>
    internal bool HasMagnitudesOfBase(LoraPair pair) => HostValues.DownloadDoubles(model.Backend, magnitude.Value)
        .Zip(Norms(pair)).All(p => Math.Abs(p.First - p.Second) <= 1e-6 * p.Second);

    /// <summary>Remembers the norms that the table is going to have.</summary>
    internal void BeforeMerge(LoraPair pair) => mergedNorm = Norms(pair);

    /// <summary>Scales the merged table to the magnitudes, or back to its norms.</summary>
    internal void ScaleMerged(bool isBack)
    {
        var magnitudes = HostValues.DownloadDoubles(model.Backend, magnitude.Value);
        var (numerator, denominator) = isBack ? (mergedNorm!, magnitudes) : (magnitudes, mergedNorm!);
        LoraMerge.ScaleColumns(model.Backend, Own.Value, numerator, denominator);
    }

    public void Dispose() => memory.Dispose();

    private double[] Norms(LoraPair pair)
    {
        using var scratch = new Arena(model.Backend, "norms");
        var norm = scratch.Allocate(model.Backend.ParameterType, 1, magnitude.Columns);
        model.Backend.Forward(ScaleOp(turned.Of(Own), pair, norm));
        return HostValues.DownloadDoubles(model.Backend, norm);
    }

    private DoraScaleOp ScaleOp(in Tensor table, LoraPair pair, in Tensor norm) => new()
    {
        W = table, A = pair.A.Value, B = pair.B.Value, Scale = pair.Scale, Magnitude = magnitude.Value, Norm = norm,
    };

    // (g - 1) ⊙ E[t] of every row, which is still to be run; E[t] and the factors are there.
    private static GateOp Product(Pass pass, in EmbeddingOp op)
    {
        var (rows, width) = (op.Y.Rows, op.Y.Columns);
        var tokens = TokensAlone(pass, op, pass.Memory.NewActivation(rows, width));
        pass.Backend.Forward(tokens);
        var factors = Spread(pass, pass.Memory.NewActivation(rows, width));
        pass.Backend.Forward(factors);
        return new GateOp
        {
            X = tokens.Y, Up = factors.Y, Activation = Activation.Identity, Y = pass.Memory.NewActivation(rows, width),
        };
    }

    // E[t] without positions and types, zero where a virtual token stands.
    private static EmbeddingOp TokensAlone(Pass pass, in EmbeddingOp op, in Tensor y)
    {
        var none = default(Tensor);
        if (op.Virtual.IsPresent)
        {
            none = pass.Memory.NewStatistic(op.Virtual.Rows, op.Virtual.Columns);
            pass.Backend.Fill(none, 0);
        }
        return op with { PositionTable = default, TypeTable = default, Virtual = none, Y = y };
    }

    // g - 1 in every row: the product of a column of ones with it.
    private static LinearOp Spread(Pass pass, in Tensor y)
    {
        var ones = pass.Memory.NewActivation(y.Rows, 1);
        pass.Backend.Fill(ones, 1);
        return new LinearOp { X = ones, W = pass.EmbeddingState.Excess.Reshape(y.Columns, 1), Y = y };
    }
}
