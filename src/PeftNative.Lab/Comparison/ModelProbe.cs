using System.Runtime.InteropServices;
using System.Security.Cryptography;
using PeftNative.Data;
using PeftNative.Models;
using PeftNative.Tensors;
using PeftNative.Training;

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
        using var pass = new Pass(model, adapters);
        pass.Begin(ModelBatch.Tokens(model, Batch.Of(examples)), training: false);
        var x = model.Forward(pass);
        int[] rows = model.Task == ModelTask.SequenceClassification
            ? model.PooledRows(pass) : [.. Enumerable.Range(0, pass.Rows.Count)];
        return HostValues.Download(model.Backend, model.Head.Scores(pass, x, rows));
    }

    /// <summary>SHA-256 of the scores' bits.</summary>
    public string Digest(TransformerModel model, params IReadOnlyList<AttachmentSet> adapters) =>
        Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(Scores(model, adapters).AsSpan())));
}
