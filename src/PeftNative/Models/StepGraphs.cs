using PeftNative.Models.Layers;
using PeftNative.Ops;

namespace PeftNative.Models;

/// <summary>
/// Training steps of a run, on backends that can as graphs: the operations of a layout that comes for the second time
/// are recorded, and replayed from then on. Tokens, labels and tables of segments are uploaded before a replay to where
/// the recording reads them; the number of the step, which is part of every dropout, and the scale of the gradient lie
/// in memory of the device too. Results are the same bits, as long as nothing but numbers in memory changes: the scale
/// of an adapter, for one, is part of a recording. Used by one thread at a time. Belongs to its <see cref="ModelRun"/>.
/// </summary>
public sealed class StepGraphs
{
    /// <summary>Graphs that are kept; the one that was not used for longest goes.</summary>
    private const int MostGraphs = 16;

    /// <summary>Layouts that are remembered to have been met once.</summary>
    private const int MostSeen = 4096;

    /// <summary>
    /// A recording costs about a step. After the first ones each has to be matched by a replay, or by so many steps
    /// without, so that layouts that hardly come again cost next to nothing.
    /// </summary>
    private const int MostUnpaid = 8, StepsForOne = 16;

    private const int MostFailures = 3;

    private readonly Pass pass;
    private readonly Action step;
    private readonly IOperationGraphs? device;
    private readonly HashSet<StepLayout> seen = [];
    private readonly List<Recording> recordings = []; // the most recently used last
    private long steps, recorded;
    private int failures; // since the last success

    /// <param name="pass">The pass.</param>
    /// <param name="step">A step of the batch that the pass has begun: nothing is uploaded or read back.</param>
    internal StepGraphs(Pass pass, Action step) =>
        (this.pass, this.step, device) = (pass, step, pass.Backend as IOperationGraphs);

    /// <summary>Whether steps may be recorded.</summary>
    public bool IsOn { get; set; } = true;

    /// <summary>Steps that were replayed.</summary>
    public long Replayed { get; private set; }

    /// <summary>Why steps are no longer recorded, or null.</summary>
    public string? Problem { get; private set; }

    /// <summary>Replays the step of the batch that the pass has begun; false where it has to be run.</summary>
    internal bool TryRun()
    {
        steps++;
        // Which rows are an operation of their own depends on their labels, where these have factors.
        return device is not null && IsOn && pass.States.Head.Targets.ClassWeights is null && TryReplay();
    }

    /// <summary>Lets go of all recordings.</summary>
    internal void Clear()
    {
        foreach (var recording in recordings) recording.Graph.Dispose();
        recordings.Clear();
    }

    private bool TryReplay()
    {
        var layout = StepLayout.Of(pass);
        var at = recordings.FindLastIndex(r => r.Layout.Equals(layout));
        if (at >= 0 && !recordings[at].Graph.IsValid)
        {
            Drop(at);
            at = -1;
        }
        if (at < 0 && !TryRecord(layout)) return false;
        var recording = recordings[at < 0 ? ^1 : at];
        recordings.Remove(recording);
        recordings.Add(recording);
        recording.Graph.Run(new GraphValues((pass.Step - recording.Step) << Pass.PlaceBits,
            pass.States.Head.Targets.GradientScale));
        if (at >= 0) Replayed++;
        return true;
    }

    private bool TryRecord(StepLayout layout)
    {
        if (seen.Count == MostSeen) seen.Clear();
        if (seen.Add(layout) || recorded >= MostUnpaid + Replayed + steps / StepsForOne || Problem is not null)
            return false;
        var mark = pass.Memory.Mark();
        try
        {
            if (device!.Record(step) is { } graph)
            {
                while (recordings.Count >= MostGraphs) Drop(0);
                recordings.Add(new Recording(layout, pass.Step, graph));
                (recorded, failures) = (recorded + 1, 0);
                return true;
            }
            if (++failures == MostFailures) Problem = "they do what cannot be recorded";
        }
        catch (PeftNativeException e)
        {
            // Steps can do without graphs. A device that is broken says so again in a moment.
            Problem = e.What;
        }
        pass.Memory.Rewind(mark);
        pass.Rows.Enter(pass.Rows.Target);
        return false;
    }

    private void Drop(int at)
    {
        recordings[at].Graph.Dispose();
        recordings.RemoveAt(at);
    }

    private sealed record Recording(StepLayout Layout, ulong Step, IOperationGraph Graph);
}
