using PeftNative.Models;
using PeftNative.Models.Weights;
using PeftNative.Tensors;

namespace PeftNative.Peft.Tokens;

/// <summary>
/// Trained rows of a matrix [V, D] of the base, by token. Owns the memory of what it makes of the base.
/// </summary>
internal sealed class TokenRows : IDisposable
{
    private readonly TransformerModel model;
    private readonly Dictionary<int, int> places;
    private readonly Arena memory;
    private double[]? merged; // what was in their place

    internal TokenRows(TransformerModel model, Parameter weight, IReadOnlyList<int> ids, Parameter rows)
    {
        (this.model, Weight, Ids, Rows) = (model, weight, ids, rows);
        places = ids.Select((id, place) => (id, place)).ToDictionary(p => p.id, p => p.place);
        memory = new Arena(model.Backend, "trained tokens");
        Base = new MadeOfBase(model, memory.Allocate(model.Backend.ParameterType, rows.Rows, rows.Columns), OfBase);
    }

    /// <summary>The same rows in another matrix.</summary>
    internal TokenRows(Parameter weight, TokenRows same) : this(same.model, weight, same.Ids, same.Rows)
    {
    }

    /// <summary>The matrix.</summary>
    internal Parameter Weight { get; }

    /// <summary>The tokens.</summary>
    internal IReadOnlyList<int> Ids { get; }

    /// <summary>The rows [tokens, D], in their order.</summary>
    internal Parameter Rows { get; }

    /// <summary>What the base has in their place.</summary>
    internal MadeOfBase Base { get; }

    /// <summary>Whether the rows are those of the base.</summary>
    internal bool AreTheBases => Values(Rows.Value).AsSpan().SequenceEqual(Values(Base.Of(Weight.TiedTo ?? Weight)));

    /// <summary>The place of a token's row; -1 where it has none.</summary>
    internal int PlaceOf(int token) => places.TryGetValue(token, out var place) ? place : -1;

    /// <summary>Whether a token has a row in both.</summary>
    internal bool Meets(TokenRows other) => Ids.Any(other.places.ContainsKey);

    /// <summary>A matrix [V, tokens] with a one where a token meets itself.</summary>
    internal Tensor NewSelection()
    {
        var selection = memory.Allocate(model.Backend.ParameterType, Weight.Rows, Ids.Count);
        model.Backend.Fill(selection, 0);
        for (var place = 0; place < Ids.Count; place++)
            model.Backend.Fill(selection.RowRange(Ids[place], 1).Slice(place, 1), 1);
        return selection;
    }

    /// <summary>Starts as the base is.</summary>
    internal void Initialize() =>
        HostValues.Upload(model.Backend, Values(Base.Of(Weight.TiedTo ?? Weight)), Rows.Value);

    /// <summary>Puts the rows into the base.</summary>
    /// <param name="keepsTie">Whether a tied pair stays one.</param>
    internal void Merge(bool keepsTie)
    {
        model.Expand(Weight, keepsTie);
        merged = OfBase(Weight.Value);
        Store(Values(Rows.Value));
    }

    /// <summary>Puts back what was there.</summary>
    internal void Unmerge(bool keepsTie)
    {
        model.Expand(Weight, keepsTie);
        Store(merged!);
    }

    public void Dispose() => memory.Dispose();

    private void Store(double[] rows)
    {
        var width = Rows.Columns;
        for (var place = 0; place < Ids.Count; place++)
            HostValues.Upload(model.Backend, rows.AsSpan(place * width, width), Weight.Value.RowRange(Ids[place], 1));
    }

    private double[] OfBase(Tensor weight) => [.. Ids.SelectMany(id => Values(weight.RowRange(id, 1)))];

    private double[] Values(in Tensor tensor) => HostValues.DownloadDoubles(model.Backend, tensor);
}
