using PeftNative.Models;
using PeftNative.Models.Layers;

namespace PeftNative.Peft.Bottleneck;

/// <summary>Where AdapterHub puts the adapters of a family in its module tree.</summary>
internal static class BottleneckPlaces
{
    /// <summary>Path of the adapter at a sub-block, e.g. bert.encoder.layer.0.output.adapters.NAME.</summary>
    internal static string Path(TransformerModel model, SubBlockPlace place, string name)
    {
        var (names, places) = (model.Family.Names, model.Family.HubPlaces);
        var layer = (place.IsEncoder ? names.Encoder! : names).LayerPath(place.Layer);
        var part = place.Kind == SubBlockKind.Attention ? places.Attention
            : (place.IsEncoder ? places.EncoderFeedForward : null) ?? places.FeedForward;
        return $"{layer}.{part}.adapters.{name}";
    }

    /// <summary>The number of a layer in settings: a decoder's are counted on from its encoder's.</summary>
    internal static int LayerNumber(TransformerModel model, SubBlockPlace place) =>
        place.IsEncoder ? place.Layer : place.Layer + (model.Config.Encoder?.LayerCount ?? 0);
}
