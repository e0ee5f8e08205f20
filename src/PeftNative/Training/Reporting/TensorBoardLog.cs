using System.Globalization;
using PeftNative.Training.Loop;

namespace PeftNative.Training.Reporting;

/// <summary>
/// Writes the numbers of a run as an event file of TensorBoard: scalars <c>train/loss</c>, <c>train/accuracy</c>,
/// <c>train/learning_rate</c>, <c>train/grad_norm</c> and <c>eval/NAME</c> by step (messages Event and Summary of
/// TensorFlow, event.proto and summary.proto). Not thread-safe.
/// </summary>
public sealed class TensorBoardLog : IDisposable
{
    private const int WallTime = 1, Step = 2, FileVersion = 3, Summary = 5, Session = 7; // of Event
    private const int Value = 1, Tag = 1, SimpleValue = 2, Status = 1, Start = 1;

    private readonly EventFile file;

    /// <summary>Begins a file of its own in a folder.</summary>
    /// <param name="folder">Where; TensorBoard's <c>--logdir</c>, or a folder below.</param>
    /// <param name="completedSteps">Steps that an earlier file has; what that one has of later steps counts no
    /// more.</param>
    /// <exception cref="IOException">The file cannot be made.</exception>
    public TensorBoardLog(string folder, int completedSteps = 0)
    {
        Directory.CreateDirectory(folder);
        var seconds = DateTimeOffset.UtcNow.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        for (var i = 0; ; i++)
        {
            // The names say when they were begun; TensorBoard reads them in this order.
            Path = System.IO.Path.Combine(folder, $"events.out.tfevents.{seconds}.peftnative.{i:0000}");
            if (!File.Exists(Path)) break;
        }
        file = new EventFile(Path);
        file.Write(Event(0).Add(FileVersion, "brain.Event:2").ToArray());
        if (completedSteps > 0)
            file.Write(Event(completedSteps + 1).Add(Session, new ProtoMessage().Add(Status, Start)).ToArray());
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>Writes the numbers of an event; events without any leave nothing.</summary>
    public void Add(TrainEvent e)
    {
        (string Tag, double? Value)[] values = e switch
        {
            StepEvent s => [("train/loss", s.Loss), ("train/accuracy", s.Accuracy),
                ("train/learning_rate", s.LearningRate), ("train/grad_norm", s.GradientNorm),
                ("train/epoch", s.Epoch), ("train/tokens_per_second", s.Tokens / s.Duration.TotalSeconds)],
            EvalEvent v => [.. v.Metrics.Select(m => ("eval/" + m.Key, (double?)m.Value))],
            _ => [],
        };
        var summary = new ProtoMessage();
        var any = false;
        foreach (var (tag, value) in values)
        {
            if (value is not { } number) continue;
            summary.Add(Value, new ProtoMessage().Add(Tag, tag).Add(SimpleValue, (float)number));
            any = true;
        }
        if (any) file.Write(Event(e.Step).Add(Summary, summary).ToArray());
    }

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();

    private static ProtoMessage Event(int step) => new ProtoMessage()
        .Add(WallTime, DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() / 1000.0).Add(Step, (long)step);
}
