using System.Runtime.InteropServices;
using PeftNative.Cli.Inspect;
using PeftNative.Models;
using PeftNative.Tensors;

namespace PeftNative.Cli.Demo;

/// <summary>
/// What must be the same before and after: the hashes of the base's files, and every score it gives some text.
/// </summary>
internal sealed record Fingerprint(IReadOnlyDictionary<string, string> Files, float[] Scores)
{
    /// <summary>Takes it of a model without adapters.</summary>
    public static Fingerprint Of(string folder, TransformerModel model, int[] tokens)
    {
        var files = Directory.GetFiles(folder).Order(StringComparer.Ordinal)
            .ToDictionary(f => Path.GetFileName(f)!, InspectedPath.Sha256);
        return new Fingerprint(files, ScoresOf(model, tokens));
    }

    /// <summary>The scores [tokens, vocabulary] of the next token at every place.</summary>
    public static float[] ScoresOf(TransformerModel model, int[] tokens, params IReadOnlyList<AttachmentSet> adapters)
    {
        using var pass = new Pass(model, adapters);
        pass.Begin(new TokenBatch(tokens, [0, tokens.Length]), training: false);
        var x = model.Forward(pass);
        return HostValues.Download(model.Backend, model.Head.Scores(pass, x, [.. Enumerable.Range(0, tokens.Length)]));
    }

    /// <summary>Whether the files have the same bytes.</summary>
    public bool HasFilesOf(Fingerprint other) =>
        Files.Count == other.Files.Count && Files.All(f => other.Files.GetValueOrDefault(f.Key) == f.Value);

    /// <summary>Whether the scores have the same bits.</summary>
    public bool HasScoresOf(Fingerprint other) => AreSame(Scores, other.Scores);

    /// <summary>Whether two lists of numbers have the same bits.</summary>
    public static bool AreSame(float[] a, float[] b) =>
        MemoryMarshal.AsBytes(a.AsSpan()).SequenceEqual(MemoryMarshal.AsBytes(b.AsSpan()));
}
