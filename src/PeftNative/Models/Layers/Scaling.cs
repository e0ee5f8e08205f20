using PeftNative.Ops;
using PeftNative.Tensors;

namespace PeftNative.Models.Layers;

/// <summary>Products with one number, for the few families that have factors in the stream.</summary>
internal static class Scaling
{
    /// <summary>y = scale · x; y is not x.</summary>
    internal static void SetScaled(this IBackend backend, in Tensor x, double scale, in Tensor y)
    {
        backend.Fill(y, 0);
        backend.AddScaled(x, scale, y);
    }

    /// <summary>scale · x, as a new activation.</summary>
    internal static Tensor Scaled(this Pass pass, in Tensor x, double scale)
    {
        var scaled = pass.Memory.NewActivation(x.Rows, x.Columns);
        pass.Backend.SetScaled(x, scale, scaled);
        return scaled;
    }
}
