using System.Runtime.InteropServices;
using System.Security.Cryptography;
using PeftNative.Data.Batching;
using PeftNative.Data.Encoding;
using PeftNative.Models;
using PeftNative.Models.Layers;
using PeftNative.Tensors;

namespace PeftNative.Lab.Comparison;

/// <summary>
/// Every score a model gives some texts, bit for bit: to see that nothing has changed. Used by one thread at a time,
/// like its backend.
/// </summary>
/// <param name="examples">The texts.</param>
public sealed class ModelProbe(IReadOnlyList<Example> examples)
{
    /// <summary>
    /// The scores [rows, outputs]: of every token for language models, of every text for classifiers.
    /// </summary>
    public float[] Scores(TransformerModel model, params IReadOnlyList<AttachmentSet> adapters)
    {
        using var run = new ModelRun(model, adapters);
        run.Forward(ModelBatch.Tokens(model, Batch.Of(examples)));
        return HostValues.Download(model.Backend, run.Scores());
    }

    /// <summary>SHA-256 of the scores' bits.</summary>
    public string Digest(TransformerModel model, params IReadOnlyList<AttachmentSet> adapters) =>
        Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(Scores(model, adapters).AsSpan())));
}
