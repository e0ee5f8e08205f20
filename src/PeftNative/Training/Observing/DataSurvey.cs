using System.Runtime.InteropServices;
using System.Security.Cryptography;
using PeftNative.Data;
using PeftNative.Data.Encoding;
using PeftNative.Data.Reading;

namespace PeftNative.Training.Observing;

/// <summary>
/// What observations need to know of all examples, found in one pass over each data set. Of data that are not held,
/// some examples are looked at, and all only where these make one suspicious. Not thread-safe.
/// </summary>
internal sealed class DataSurvey
{
    private readonly RunFacts run;
    private readonly Dictionary<int, bool> ends = [];
    private readonly Dictionary<UInt128, RecordOrigin> evaluated = [];
    private (float[]? Targets, int? Label) firstAnswer;

    /// <summary>Looks at all examples.</summary>
    internal DataSurvey(RunFacts run)
    {
        this.run = run;
        var labels = run.Model.Task.Classifies() ? run.Model.Config.Labels.Count : 0;
        (TrainLabels, EvalLabels) = (new long[labels], new long[labels]);
        foreach (var example in run.Eval?.Sample() ?? [])
        {
            evaluated.TryAdd(Digest(example), example.Origin);
            Count(example, EvalLabels);
        }
        foreach (var example in run.Train.Sample()) Add(example);
        if (run.Train.IsOnDisk) LookAgain();
    }

    /// <summary>How many examples there are to train on.</summary>
    internal int Examples { get; private set; }

    /// <summary>How often each label is trained.</summary>
    internal long[] TrainLabels { get; }

    /// <summary>How often each label is evaluated on.</summary>
    internal long[] EvalLabels { get; }

    /// <summary>Whether a token that ends a text or a turn is trained anywhere.</summary>
    internal bool HasTrainedEnd { get; private set; }

    /// <summary>Answers that are cut off before their end.</summary>
    internal int CutAnswers { get; private set; }

    /// <summary>The first of them.</summary>
    internal RecordOrigin? FirstCutAnswer { get; private set; }

    /// <summary>Training examples that are evaluated on, too, and where the first of them is in either file.</summary>
    internal int Duplicates { get; private set; }

    /// <summary>Where the first of them is.</summary>
    internal (RecordOrigin Train, RecordOrigin Eval)? FirstDuplicate { get; private set; }

    /// <summary>Whether all examples to train on have the same answer.</summary>
    internal bool HasOneAnswer { get; private set; } = true;

    private void Add(Example example)
    {
        Count(example, TrainLabels);
        CompareAnswer(example);
        HasTrainedEnd |= TrainsEnd(example);
        if (IsCut(example))
        {
            CutAnswers++;
            FirstCutAnswer ??= example.Origin;
        }
        if (evaluated.Count > 0 && evaluated.TryGetValue(Digest(example), out var twin))
        {
            Duplicates++;
            FirstDuplicate ??= (example.Origin, twin);
        }
        Examples++;
    }

    // A rare label may be in none of the examples that were looked at.
    private void LookAgain()
    {
        var oneAnswer = !run.Model.Task.WritesText() && HasOneAnswer;
        if (!oneAnswer && !IsAnyMissing()) return;
        foreach (var example in run.Train.Examples)
        {
            Count(example, TrainLabels);
            CompareAnswer(example);
            if (!(oneAnswer && HasOneAnswer) && !IsAnyMissing()) return;
        }
    }

    private bool IsAnyMissing() => EvalLabels.Zip(TrainLabels).Any(l => l.First > 0 && l.Second == 0);

    private static void Count(Example example, long[] counts)
    {
        if (counts.Length == 0) return;
        if (example.Class is { } single) counts[single]++;
        foreach (var tag in example.Labels ?? [])
            if (tag != Example.Masked) counts[tag]++;
        for (var i = 0; i < Math.Min(counts.Length, example.Targets?.Length ?? 0); i++)
            if (example.Targets![i] >= 0.5f) counts[i]++;
    }

    private void CompareAnswer(Example example)
    {
        if (!HasOneAnswer || !run.Model.Task.Classifies()) return;
        IEnumerable<int> labels = example.Class is { } one ? [one]
            : (example.Labels ?? []).Where(l => l != Example.Masked);
        foreach (var label in labels) HasOneAnswer &= (firstAnswer.Label ??= label) == label;
        if (example.Targets is { } targets)
            HasOneAnswer &= (firstAnswer.Targets ??= targets).AsSpan().SequenceEqual(targets);
    }

    private bool TrainsEnd(Example example)
    {
        if (HasTrainedEnd || run.Tokenizer is null || !run.Model.Task.WritesText()) return true;
        foreach (var id in example.DecoderIds ?? example.Labels ?? [])
            if (id != Example.Masked && IsEnd(run.Tokenizer, id)) return true;
        return false;
    }

    private bool IsEnd(ITokenizer tokenizer, int id)
    {
        if (!ends.TryGetValue(id, out var isEnd))
            ends[id] = isEnd = id == tokenizer.EndOfSequenceId || tokenizer.IsSpecial(id);
        return isEnd;
    }

    private bool IsCut(Example example) => example.Truncated && run.Model.Task switch
    {
        ModelTask.CausalLM => example.TrainedTokens > 0,
        ModelTask.SequenceToSequence => run.Tokenizer?.EndOfSequenceId is { } end && example.DecoderIds?[^1] != end,
        _ => false,
    };

    private static UInt128 Digest(Example example)
    {
        var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using (hash)
        {
            hash.AppendData(MemoryMarshal.AsBytes(example.Ids.AsSpan()));
            if (example.DecoderIds is { } target)
            {
                hash.AppendData([0]);
                hash.AppendData(MemoryMarshal.AsBytes(target.AsSpan()));
            }
            Span<byte> digest = stackalloc byte[32];
            hash.GetHashAndReset(digest);
            return MemoryMarshal.Read<UInt128>(digest);
        }
    }
}
