using PeftNative.Data.Encoding;

namespace PeftNative.Data.Batching;

/// <summary>
/// Several examples side by side without padding: all tokens in one row, the sequences one after the other. Immutable
/// by convention.
/// </summary>
public sealed class Batch
{
    private Batch(IReadOnlyList<Example> examples)
    {
        Examples = examples;
        Offsets = Cumulate(examples, e => e.Length);
        TokenIds = Join(examples, e => e.Ids);
        Positions = [.. examples.SelectMany(e => Enumerable.Range(0, e.Length))];
        TokenTypes = Has(e => e.TokenTypes) ? Join(examples, e => e.TokenTypes!) : null;
        Labels = Has(e => e.Labels) ? Join(examples, e => e.Labels!) : null;
        Classes = Has(e => e.Class) ? [.. examples.Select(e => e.Class!.Value)] : null;
        Targets = Has(e => e.Targets) ? Join(examples, e => e.Targets!) : null;
        DecoderIds = Has(e => e.DecoderIds) ? Join(examples, e => e.DecoderIds!) : null;
        DecoderOffsets = DecoderIds is null ? null : Cumulate(examples, e => e.DecoderIds!.Length);
    }

    /// <summary>Puts examples together.</summary>
    /// <exception cref="ArgumentException">There are none, or some have a kind of target that others lack.</exception>
    public static Batch Of(IReadOnlyList<Example> examples) =>
        examples.Count > 0
            ? new Batch(examples)
            : throw new ArgumentException("A batch needs examples.", nameof(examples));

    /// <summary>The examples, with where they were read.</summary>
    public IReadOnlyList<Example> Examples { get; }

    /// <summary>The ids of all tokens [tokens].</summary>
    public int[] TokenIds { get; }

    /// <summary>
    /// Where each sequence begins in <see cref="TokenIds"/>, and at last where the last one ends [sequences + 1].
    /// </summary>
    public int[] Offsets { get; }

    /// <summary>The place of each token in its own sequence, from 0 [tokens].</summary>
    public int[] Positions { get; }

    /// <summary>Token types [tokens]; null where the tokenizer has none.</summary>
    public byte[]? TokenTypes { get; }

    /// <summary>
    /// Token labels [tokens], not shifted, <see cref="Example.Masked"/> where nothing is trained (in causal LM always
    /// so at the first token of a sequence); null where the task has none.
    /// </summary>
    public int[]? Labels { get; }

    /// <summary>Classes [sequences]; null where the task has none.</summary>
    public int[]? Classes { get; }

    /// <summary>Numbers to be learned [sequences, width]; null where the task has none.</summary>
    public float[]? Targets { get; }

    /// <summary>The decoder's targets [decoder tokens]; null where the task has none.</summary>
    public int[]? DecoderIds { get; }

    /// <summary>Where each sequence begins in <see cref="DecoderIds"/> [sequences + 1].</summary>
    public int[]? DecoderOffsets { get; }

    /// <summary>Number of sequences.</summary>
    public int Sequences => Examples.Count;

    /// <summary>Number of tokens.</summary>
    public int Tokens => TokenIds.Length;

    /// <summary>Number of positions with a label.</summary>
    public int TrainedTokens => Labels?.Count(label => label != Example.Masked) ?? 0;

    private bool Has<T>(Func<Example, T?> part)
    {
        var having = Examples.Count(e => part(e) is not null);
        return having == 0 ? false : having == Examples.Count ? true
            : throw new ArgumentException("Some examples of the batch have a part that others lack.");
    }

    private static int[] Cumulate(IReadOnlyList<Example> examples, Func<Example, int> length)
    {
        var offsets = new int[examples.Count + 1];
        for (var i = 0; i < examples.Count; i++) offsets[i + 1] = checked(offsets[i] + length(examples[i]));
        return offsets;
    }

    private static T[] Join<T>(IReadOnlyList<Example> examples, Func<Example, T[]> part)
    {
        var all = new T[examples.Sum(e => part(e).Length)];
        var at = 0;
        foreach (var example in examples)
        {
            part(example).CopyTo(all, at);
            at += part(example).Length;
        }
        return all;
    }
}
