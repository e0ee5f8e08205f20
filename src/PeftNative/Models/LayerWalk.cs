using System.Diagnostics.CodeAnalysis;
using PeftNative.Models.Layers;
using PeftNative.Tensors;

namespace PeftNative.Models;

/// <summary>
/// The way of a batch that has begun through all layers of a model and back: of its one stack, or of an encoder's and a
/// decoder's. Nothing is uploaded or read back on it. Used by one thread at a time, like the pass.
/// </summary>
internal sealed class LayerWalk(TransformerModel model, Pass pass)
{
    private BlockStack Decoder => model.Decoder;

    private EmbeddingSite Embedding => model.Embedding;

    // The beginning of the layer with the lowest trained sub-block.
    private int Boundary => Decoder.LayerBegin(Math.Max(0, pass.Adapters.LowestTrainedDepth));

    /// <summary>Whether a step takes something from a cache of frozen layers, or gives it something.</summary>
    public bool IsRestored([NotNullWhen(true)] FrozenLayerCache? frozen) =>
        frozen is not null && model.Encoder is null && Boundary > 0;

    /// <summary>
    /// The last feed-forward works for the head alone: where that looks at few rows, the others are left out of it.
    /// </summary>
    public void PickTopRows(FrozenLayerCache? frozen)
    {
        const double Worth = 0.75;
        var head = pass.States.Head;
        var isCached = frozen is not null && pass.Adapters.LowestTrainedDepth >= model.Blocks.Count;
        if (!Decoder.CanPick || isCached || head.Targets.Count == 0 || head.Targets.Count > Worth * pass.Rows.Count)
            return;
        foreach (var set in pass.Adapters.Each)
            if (set.DependsOnRowNumbers) return;
        pass.Rows.Top = head.Rows;
    }

    /// <summary>
    /// Runs all layers; returns the stream [rows, D] before the final norm: that of the decoder, where an encoder
    /// stands in front. Frozen layers are taken from a cache where there is one.
    /// </summary>
    public Tensor Forward(FrozenLayerCache? frozen)
    {
        foreach (var set in pass.Adapters.Each) set.BeforeForward(pass);
        if (model.Encoder is not null && pass.Rows.Cache is not { Length: > 0 }) Encode(model.Encoder);
        var x = IsRestored(frozen) ? ForwardAbove(frozen) : Decoder.Forward(pass, Embedding.Forward(pass));
        pass.Rows.Cache?.Advance(pass.Rows.Stream);
        return x;
    }

    /// <summary>
    /// The loss of the targets that the head has taken, and the way back from it to the lowest trained parameter.
    /// Gradients of parameters are added to.
    /// </summary>
    /// <param name="x">What the forward has made.</param>
    public void Backward(in Tensor x)
    {
        var reachesLayers = pass.Adapters.LowestTrainedDepth < model.Blocks.Count;
        var d = reachesLayers ? pass.Memory.NewActivation(x.Rows, x.Columns) : default;
        model.Head.Run(pass, x, backward: true, d);
        if (!reachesLayers) return;
        if (model.Encoder is { } encoder) EncoderDecoderBackward(encoder, d);
        else StackBackward(d);
        foreach (var set in pass.Adapters.Each) set.AfterBackward(pass);
    }

    private Tensor ForwardAbove(FrozenLayerCache frozen)
    {
        var boundary = Boundary;
        var x = frozen.Restore(pass);
        if (!x.IsPresent)
        {
            x = Decoder.Forward(pass, Embedding.Forward(pass), 0, boundary);
            frozen.Keep(pass, x);
        }
        return Decoder.Forward(pass, x, boundary, model.Blocks.Count);
    }

    private void Encode(BlockStack encoder)
    {
        pass.Rows.Enter(pass.Rows.Source!);
        var x = encoder.Forward(pass, Embedding.Forward(pass));
        pass.Rows.EncoderOutput = pass.Memory.NewActivation(x.Rows, x.Columns);
        model.EncoderNorm!.Forward(pass, pass.States.EncoderNorm, x, pass.Rows.EncoderOutput);
        pass.Rows.Enter(pass.Rows.Target);
    }

    private void StackBackward(in Tensor d)
    {
        var lowest = pass.Adapters.LowestTrainedDepth;
        var dInput = Decoder.Backward(pass, d, lowest);
        if (lowest < 0) Embedding.Backward(pass, dInput);
    }

    private void EncoderDecoderBackward(BlockStack encoder, in Tensor d)
    {
        var (lowest, first) = (pass.Adapters.LowestTrainedDepth, Decoder.FirstDepth);
        if (lowest >= first)
        {
            Decoder.Backward(pass, d, lowest);
            return;
        }
        var encoded = pass.Rows.EncoderOutput;
        var dEncoded = pass.Rows.EncoderGradient = pass.Memory.NewActivation(encoded.Rows, encoded.Columns);
        pass.Backend.Fill(dEncoded, 0);
        // What is trained below the decoder is reached through its looks at the encoder, the lowest of which stands
        // above its first sub-block.
        var trainsEmbedding = Embedding.IsTrained(pass);
        var dInput = Decoder.Backward(pass, d, trainsEmbedding ? -1 : Decoder.Blocks[0].IsTrained(pass)
            ? first : first + 1);
        if (trainsEmbedding) Embedding.Backward(pass, dInput);

        pass.Rows.Enter(pass.Rows.Source!);
        model.EncoderNorm!.Backward(pass, pass.States.EncoderNorm, dEncoded, dEncoded, accumulate: false);
        encoder.Backward(pass, dEncoded, lowest);
        if (lowest < 0) Embedding.Backward(pass, dEncoded);
        pass.Rows.Enter(pass.Rows.Target);
    }
}
