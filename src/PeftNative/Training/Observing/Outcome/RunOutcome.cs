using System.Globalization;
using PeftNative.Models;

namespace PeftNative.Training.Observing.Outcome;

/// <summary>What is known of a run when it is over, as far as it was looked at. Immutable.</summary>
internal sealed record RunOutcome
{
    /// <summary>The model.</summary>
    internal required TransformerModel Model { get; init; }

    /// <summary>Training records that the trained model was tried on.</summary>
    internal required int Sampled { get; init; }

    /// <summary>Whether any gradient was other than zero.</summary>
    internal required bool HasGradient { get; init; }

    /// <summary>Whether any learning rate was other than zero.</summary>
    internal required bool HasRate { get; init; }

    /// <summary>Whether the adapter has other values than at the start.</summary>
    internal required bool HasMoved { get; init; }

    /// <summary>Whether what the method adds changes nothing, however its head may have been trained.</summary>
    internal required bool IsIdle { get; init; }

    /// <summary>Whether all training records have the same answer.</summary>
    internal required bool IsOneAnswer { get; init; }

    /// <summary>The loss of the best constant answer on the sample; 0 for tasks that write text.</summary>
    internal required double Constant { get; init; }

    /// <summary>The loss on the sample before the first step; null where nobody looked.</summary>
    internal double? Before { get; init; }

    /// <summary>The loss on the sample now; null after a trial of a few steps.</summary>
    internal double? Loss { get; init; }

    /// <summary>The labels that are predicted for the sample, if any.</summary>
    internal IReadOnlyList<int> Predictions { get; init; } = [];

    /// <summary>The sample, in words.</summary>
    internal string Records => $"{Sampled.ToString(CultureInfo.InvariantCulture)} of the training records";

    /// <summary>A loss, in words.</summary>
    internal static string Show(double value) => value.ToString("0.####", CultureInfo.InvariantCulture);
}
