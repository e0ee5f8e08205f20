namespace PeftNative.Training.Observing;

/// <summary>Something a person should know about a run: what was found, and what it means.</summary>
/// <param name="Name">What kind it is, in a few words joined by dashes; programs may go by it.</param>
/// <param name="Text">A sentence or two for people.</param>
public sealed record Observation(string Name, string Text);

/// <summary>Looks for one thing before the first step. Stateless.</summary>
internal interface IObserver
{
    /// <summary>The name of what it observes.</summary>
    string Name { get; }

    /// <summary>What it found, in a sentence; null when all is well.</summary>
    string? Look(RunFacts run, DataSurvey survey);
}
