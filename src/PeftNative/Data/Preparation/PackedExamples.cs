using PeftNative.Data.Batching;
using PeftNative.Data.Encoding;
using PeftNative.Data.Reading;

namespace PeftNative.Data.Preparation;

/// <summary>From packed rows to examples that know with which others they share a row, and back.</summary>
internal static class PackedExamples
{
    /// <summary>
    /// Packs examples as TRL does. Longer ones must not have been cut before, where they are to be cut into pieces.
    /// </summary>
    /// <exception cref="UsageException">The examples have no label for each token.</exception>
    public static EncodedData Pack(EncodedData data, PackingStrategy strategy, int length)
    {
        if (data.Examples.Any(e => e.Labels is null || e.TokenTypes?.Any(type => type != 0) == true))
            throw new UsageException("Only what continues texts is packed.", "packing_strategy", "Leave it out.");
        LabelledTokens[] sequences = [.. data.Examples.Select((e, i) => new LabelledTokens(e.Ids, e.Labels!, i))];
        var packed = Of(RowPacking.Pack(sequences, strategy, length), [.. data.Examples.Select(e => e.Origin)], true);
        return EncodedData.Of([.. packed.Examples], [.. data.Skipped, .. packed.Skipped], data.Records, packed.Rows);
    }

    /// <summary>
    /// The examples of rows. Rows that teach nothing are left out, and records of which no part is trained reported.
    /// </summary>
    /// <param name="rows">The sequences of each row.</param>
    /// <param name="origins">Where the records before packing were read.</param>
    /// <param name="isPacked">Whether the rows are to stay together.</param>
    public static EncodedData Of(IReadOnlyList<LabelledTokens[]> rows, RecordOrigin[] origins, bool isPacked)
    {
        var (examples, packed, idle) = (new List<Example>(), new List<int[]>(), Enumerable.Range(0, origins.Length)
            .ToHashSet());
        foreach (var row in rows)
        {
            List<Example> made = [.. row.Select(s => Example(s, origins[s.First]))];
            foreach (var (example, sequence) in made.Zip(row))
                if (example.TrainedTokens > 0)
                    idle.ExceptWith(Enumerable.Range(sequence.First, sequence.Last - sequence.First + 1));
            if (made.All(e => e.TrainedTokens == 0)) continue;
            packed.Add([.. Enumerable.Range(examples.Count, made.Count)]);
            examples.AddRange(made);
        }
        List<SkippedRecord> skipped =
            [.. idle.Order().Select(i => new SkippedRecord(origins[i], "Nothing is trained of what fits."))];
        return EncodedData.Of(examples, skipped, origins.Length, isPacked ? packed : null);
    }

    /// <summary>A sequence as an example.</summary>
    public static Example Example(LabelledTokens sequence, RecordOrigin origin)
    {
        int[] labels = [.. sequence.Labels];
        // The first position has nothing before it to be predicted from.
        if (labels.Length > 0) labels[0] = Encoding.Example.Masked;
        return new Example { Ids = sequence.Ids, Labels = labels, Origin = origin };
    }
}
