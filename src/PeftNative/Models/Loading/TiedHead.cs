using PeftNative.Formats;
using PeftNative.Formats.Safetensors;
using PeftNative.Models.Config;
using PeftNative.Models.Families;
using PeftNative.Models.Loading.Stored;

namespace PeftNative.Models.Loading;

/// <summary>
/// How a checkpoint holds the head and the embedding of a model that ties them. As in transformers 5, the file has the
/// last word: another head than the embedding stays another, and where the embedding is absent a head stands for both.
/// </summary>
/// <param name="Embedding">The embedding in the file, or null.</param>
/// <param name="Head">The head in the file, or null.</param>
/// <param name="IsApart">Whether both are there and differ.</param>
internal sealed record TiedHead(StoredTensor? Embedding, StoredTensor? Head, bool IsApart)
{
    private const int PartLength = 1 << 18;

    /// <summary>Looks at a checkpoint.</summary>
    internal static TiedHead Find(Family family, CheckpointNames names, WeightSource source)
    {
        var embedding = names.Find($"{family.Names.Under(family.Names.TokenEmbedding)}.weight");
        var head = names.Find($"{family.Names.LanguageModelHead}.weight");
        return new TiedHead(embedding, head,
            embedding is not null && head is not null && !AreEqual(source, embedding, head));
    }

    /// <summary>What is odd about it, in a sentence; or null.</summary>
    internal string? Doubt(TransformerConfig config) => this switch
    {
        { IsApart: true } when config.TieWordEmbeddings =>
            $"config.json says tie_word_embeddings, but {Head!.Name} is not {Embedding!.Name}: "
                + "both are kept, as two matrices",
        { Embedding: null, Head: not null } =>
            $"the checkpoint has no token embedding; {Head.Name} stands for it, because the two are tied",
        _ => null,
    };

    private static bool AreEqual(WeightSource source, StoredTensor a, StoredTensor b)
    {
        if (a.ElementCount != b.ElementCount || a.Type.Bits() < 16 || b.Type.Bits() < 16) return false;
        float[] left = new float[Math.Min(PartLength, a.ElementCount)], right = new float[left.Length];
        for (var first = 0L; first < a.ElementCount; first += left.Length)
        {
            var count = (int)Math.Min(left.Length, a.ElementCount - first);
            source.ReadAs(a.Name, left.AsSpan(0, count), first);
            source.ReadAs(b.Name, right.AsSpan(0, count), first);
            if (!left.AsSpan(0, count).SequenceEqual(right.AsSpan(0, count))) return false;
        }
        return true;
    }
}
