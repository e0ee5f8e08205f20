using Microsoft.Extensions.Logging;
using PeftNative.Extensions.Logging;
using PeftNative.Training.Loop;
using Xunit;

namespace PeftNative.Extensions.Tests;

public class LoggingTests
{
    [Fact]
    public void Every_kind_of_event_is_logged_at_its_level()
    {
        var logger = new Recorder();
        var progress = logger.ForTraining();
        progress.Report(new StepEvent
        {
            Step = 1, TotalSteps = 2, Epoch = 0.5, Loss = 1.5, LearningRate = 0.1, GradientNorm = 2, Tokens = 3,
            Duration = default, Elapsed = default, Remaining = default,
        });
        progress.Report(new EvalEvent { Step = 1, Metrics = new Dictionary<string, double> { ["loss"] = 1.25 },
            IsBest = true, Duration = default });
        progress.Report(new SavedEvent { Step = 2, Folder = "out" });
        progress.Report(new WarningEvent { Step = 2, Message = "Look here." });
        Assert.Equal(
        [
            (LogLevel.Debug, "Step 1 of 2: loss 1.5, gradient norm 2, learning rate 0.1"),
            (LogLevel.Information, "Evaluation after step 1: loss 1.25; best so far: True"),
            (LogLevel.Information, "Saved after step 2: out"), (LogLevel.Warning, "Step 2: Look here."),
        ], logger.Lines);
    }

    private sealed class Recorder : ILogger
    {
        public List<(LogLevel Level, string Text)> Lines { get; } = [];

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter) =>
            Lines.Add((logLevel, formatter(state, exception)));
    }
}
