using PeftNative.Models;
using PeftNative.Models.Weights;
using PeftNative.Tensors;

namespace PeftNative.Peft.Tokens;

/// <summary>
/// Numbers made on the host of a weight of the base, kept until that changes (it is merged into, or another adapter
/// puts a copy in its place). Used by one thread at a time.
/// </summary>
/// <param name="model">The model.</param>
/// <param name="values">Where they lie.</param>
/// <param name="make">Makes them of the weight.</param>
internal sealed class MadeOfBase(TransformerModel model, Tensor values, Func<Tensor, double[]> make)
{
    private Parameter? source;
    private int changes;

    /// <summary>The numbers for the weight that is in force in a pass.</summary>
    internal Tensor Of(Parameter inForce)
    {
        var isTrained = inForce.Gradient.IsPresent; // changes with every step
        if (inForce == source && changes == inForce.Changes && !isTrained) return values;
        using var scratch = new Arena(model.Backend, "dequantised weight");
        HostValues.Upload(model.Backend, make(model.Dense(inForce, scratch)), values);
        (source, changes) = (inForce, inForce.Changes);
        return values;
    }
}
