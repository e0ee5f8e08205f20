using PeftNative.Backends.Reference;
using PeftNative.Lab.Cases;
using PeftNative.Lab.Verification;
using PeftNative.Tensors;
using Xunit;

namespace PeftNative.Tests.Ops;

/// <summary>What a user is told of a backend's operations.</summary>
public sealed class OperationVerifierTests
{
    private static readonly OperationCase[] Gathers = [
        .. OperationCases.All().Where(c => c.Operation == "Gather").Take(12)];

    [Fact]
    public void A_backend_that_is_right_has_no_failures()
    {
        using var backend = ReferenceBackend.Create(DType.Float32);
        var verifier = new OperationVerifier(backend);
        foreach (var c in Gathers) Assert.True(verifier.Run(c).Passed);
        var summary = Assert.Single(verifier.Summaries);
        Assert.Equal(("Gather", Gathers.Length, 0), (summary.Operation, summary.Cases, summary.Failed));
        Assert.True(summary.Error is > 0 and < 1e-12, $"{summary.Error}");
        Assert.NotNull(summary.WorstCase);
    }

    [Fact]
    public void Failures_are_counted_and_named()
    {
        using var backend = new FaultyBackend(DType.Float32, Fault.WrongElement, 0);
        var verifier = new OperationVerifier(backend);
        foreach (var c in Gathers) verifier.Run(c);
        Assert.Equal(verifier.Failures.Count, verifier.Summaries.Single().Failed);
        Assert.NotEmpty(verifier.Failures);
        Assert.All(verifier.Failures, f => Assert.Contains(Gathers, c => c.Name == f.Case));
    }

    [Fact]
    public void A_choice_keeps_every_operation()
    {
        var all = OperationCases.All();
        var chosen = OperationVerifier.EveryNth(all, 10);
        Assert.InRange(chosen.Count, all.Count / 10, all.Count / 10 + 20);
        Assert.Equal(all.Select(c => c.Operation).Distinct(), chosen.Select(c => c.Operation).Distinct());
    }
}
