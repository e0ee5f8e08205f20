using PeftNative.Models.Config;
using PeftNative.Models.Weights;
using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Models.Layers;

/// <summary>
/// The input of the model: token, position and type embeddings, and the norm after them where the family has one. Used
/// by one thread at a time, like its backend.
/// </summary>
public sealed class EmbeddingSite(
    string path, TransformerConfig config, Parameter table, Parameter? positions, Parameter? types, NormSite? norm)
{
    /// <summary>Module path of the token embedding.</summary>
    public string Path { get; } = path;

    /// <summary>Token embeddings [V, D].</summary>
    public Parameter Table { get; } = table;

    /// <summary>Position embeddings, or null.</summary>
    public Parameter? Positions { get; } = positions;

    /// <summary>Token type embeddings, or null.</summary>
    public Parameter? Types { get; } = types;

    /// <summary>Norm after the embeddings, or null.</summary>
    public NormSite? Norm { get; } = norm;

    /// <summary>Whether anything at the embeddings is trained that a stream without virtual tokens sees.</summary>
    internal bool IsTrained(Pass pass)
    {
        var adapters = pass.Adapters;
        return adapters.AtEmbedding.Any || adapters.IsTrained(Table) || adapters.IsTrained(Positions)
            || adapters.IsTrained(Types) || adapters.IsTrained(Norm?.Gamma) || adapters.IsTrained(Norm?.Beta);
    }

    internal Tensor Forward(Pass pass)
    {
        var stream = pass.Rows.Stream;
        var state = pass.EmbeddingState;
        var op = new EmbeddingOp
        {
            Tokens = stream.Tokens, Positions = stream.Positions, Types = stream.Types,
            Table = pass.Adapters.Resolve(Table).Value,
            PositionTable = pass.Adapters.Resolve(Positions)?.Value ?? default,
            TypeTable = pass.Adapters.Resolve(Types)?.Value ?? default,
            Virtual = stream.VirtualTokens?.Embeddings ?? default,
            TokenScale = config.EmbeddingScale,
            Y = pass.Memory.NewActivation(pass.Rows.Count, Table.Columns),
        };
        foreach (var attachment in pass.Adapters.AtEmbedding) attachment.BeforeForward(pass, ref op);
        state.Op = op;
        pass.Backend.Forward(op);
        foreach (var attachment in pass.Adapters.AtEmbedding) attachment.AfterForward(pass, op);
        var embedded = config.InputScale == 1 ? op.Y : pass.Scaled(op.Y, config.InputScale);
        if (Norm is null) return embedded;
        var normed = pass.Memory.NewActivation(pass.Rows.Count, Table.Columns);
        Norm.Forward(pass, state.Norm, embedded, normed);
        return normed;
    }

    /// <summary>All gradients <c>+=</c>; d is used up.</summary>
    internal void Backward(Pass pass, in Tensor d)
    {
        var state = pass.EmbeddingState;
        Norm?.Backward(pass, state.Norm, d, d, accumulate: false);
        var sets = pass.Adapters.InForce;
        var count = sets.Count;
        var mark = pass.Memory.Arena.Mark();
        var requests = state.Requests(count + 1);
        requests[0] = new EmbeddingGradients
        {
            DY = config.InputScale == 1 ? d : pass.Scaled(d, config.InputScale),
            DTable = pass.Adapters.Resolve(Table).Gradient,
            DPositionTable = pass.Adapters.Resolve(Positions)?.Gradient ?? default,
            DTypeTable = pass.Adapters.Resolve(Types)?.Gradient ?? default,
            DVirtual = pass.Rows.Stream.VirtualTokens?.Gradient ?? default,
        };
        for (var i = 0; i < count; i++)
        {
            requests[i + 1] = requests[i];
            sets[i].AtEmbedding?.BeforeBackward(pass, ref requests[i + 1]);
        }
        pass.Backend.Backward(state.Op, requests[count]);
        for (var i = count - 1; i >= 0; i--)
            sets[i].AtEmbedding?.AfterBackward(pass, state.Op, requests[i], requests[i + 1]);
        pass.Memory.Arena.Release(mark);
    }

    /// <summary>
    /// What the embedding keeps between forward and backward of a pass. Used by one thread at a time.
    /// </summary>
    internal sealed class State
    {
        private EmbeddingGradients[] requests = [];

        internal EmbeddingOp Op { get; set; }
        internal NormState Norm { get; } = new();

        /// <summary>What an attachment with magnitudes keeps for its backward: the norms of the columns, and how much
        /// more than 1 magnitude / norm is.</summary>
        internal Tensor ColumnNorms, Excess;

        /// <summary>Room for what each attachment makes of the request for gradients.</summary>
        internal EmbeddingGradients[] Requests(int count) =>
            requests.Length >= count ? requests : requests = new EmbeddingGradients[count];
    }
}
