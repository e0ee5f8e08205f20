using PeftNative.Ops;
using PeftNative.Quantization;

namespace PeftNative.Models.Loading.Stored;

/// <summary>Blocks as GGUF files have them: they stay as they are.</summary>
internal sealed class BlocksForm : StoredForm
{
    /// <inheritdoc/>
    internal override string Name => "GGUF blocks";

    /// <inheritdoc/>
    internal override bool Holds(StoredModule module) =>
        module.Find(module.Leaf) is { Block: not BlockFormat.None };

    /// <inheritdoc/>
    internal override StoredWeight Read(StoredModule module)
    {
        var (tensor, bytes, areMapped) = module.Blocks();
        return new StoredWeight(tensor.Block.Name(), new QuantizedMatrix([], [], 0, [])
        {
            Blocks = bytes, Format = tensor.Block, Rows = module.Rows, AreMapped = areMapped,
        });
    }
}
