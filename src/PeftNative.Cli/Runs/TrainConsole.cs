using PeftNative.Cli.Output;
using PeftNative.Training.Loop;

namespace PeftNative.Cli.Runs;

/// <summary>Shows a run as it goes: one live line on a screen, plain lines elsewhere.</summary>
internal sealed class TrainConsole(Terminal terminal, int loggingSteps) : IDisposable
{
    private const int BarWidth = 20;
    private readonly ProgressLine line = new(terminal);
    private double rate;
    private string evaluation = "";

    /// <summary>Shows an event.</summary>
    public void Show(TrainEvent e)
    {
        switch (e)
        {
            case StepEvent step:
                ShowStep(step);
                break;
            case EvalEvent eval:
                evaluation = $"  eval {Quantity.Metric(eval.Metrics["loss"])}";
                Say($"step {eval.Step}: "
                    + $"{string.Join(", ", eval.Metrics.Select(m => $"{m.Key} {Quantity.Metric(m.Value)}"))}"
                    + (eval.IsBest ? "  (best so far)" : ""));
                break;
            case SavedEvent saved when terminal.Verbose:
                Say($"step {saved.Step}: saved {saved.Folder}");
                break;
            case WarningEvent warning:
                line.Clear();
                terminal.Warn(warning.Message);
                break;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => line.Dispose();

    private void ShowStep(StepEvent step)
    {
        var now = step.Tokens / step.Duration.TotalSeconds;
        rate = rate == 0 ? now : 0.9 * rate + 0.1 * now;
        var share = (double)step.Step / step.TotalSteps;
        var text =
            $"{step.Step}/{step.TotalSteps} {100 * share,3:0} %  loss {Quantity.Metric(step.Loss)}{evaluation}  lr "
            + $"{Quantity.Number(step.LearningRate)}"
            + $"  grad {Quantity.Number(step.GradientNorm)}  {Quantity.Count((long)rate)} tokens/s  "
            + $"{Quantity.Time(step.Remaining.TotalSeconds)} left";
        if (terminal.IsLive)
        {
            var done = (int)(share * BarWidth);
            line.Show($"{new string('█', done)}{new string('░', BarWidth - done)} {text}");
        }
        else if (step.Step % loggingSteps == 0 || step.Step == step.TotalSteps || step.Step == 1)
        {
            Say("step " + text);
        }
    }

    private void Say(string text)
    {
        line.Clear();
        if (!terminal.Quiet) terminal.Line(text);
    }
}
