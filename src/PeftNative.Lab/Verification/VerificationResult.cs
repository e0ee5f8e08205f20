namespace PeftNative.Lab.Verification;

/// <summary>What replaying recorded reference numbers gave.</summary>
/// <param name="Name">What was replayed, such as <c>training:schedules</c>.</param>
/// <param name="Checked">How many recorded values were compared.</param>
/// <param name="Failed">How many of them differ.</param>
/// <param name="FirstFailure">The first difference in words; null where there is none.</param>
public sealed record VerificationResult(string Name, int Checked, int Failed, string? FirstFailure)
{
    /// <summary>Whether something was compared and everything agrees.</summary>
    public bool Passed => Checked > 0 && Failed == 0;
}
