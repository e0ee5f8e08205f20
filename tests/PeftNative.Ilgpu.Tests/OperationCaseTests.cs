using PeftNative.Backends;
using PeftNative.Lab.Cases;
using PeftNative.Lab.Verification;
using PeftNative.Ops;
using Xunit;

namespace PeftNative.Ilgpu.Tests;

/// <summary>
/// Operation cases against the reference. The emulation is slow: every tenth case here, all of them with
/// <c>peftnative verify ops --backend ilgpu-cpu --all</c>.
/// </summary>
public sealed class OperationCaseTests(Emulation emulation) : IClassFixture<Emulation>
{
    public static TheoryData<string> Operations => [.. OperationCases.All().Select(c => c.Operation).Distinct()];

    [Theory]
    [MemberData(nameof(Operations))]
    public void The_emulation_is_within_the_limits(string operation) => Run(emulation.Backend, operation, 10);

    [Theory]
    [MemberData(nameof(Operations))]
    public void Groups_of_threads_that_share_memory_are_within_the_limits(string operation)
    {
        using var backend = IlgpuBackends.CreateOnProcessor(new LaunchShape(Group: 4, Tile: 2));
        Run(backend, operation, 60, c => !IsLarge(c));
    }

    [Fact]
    public void A_real_device_is_within_the_limits()
    {
        IlgpuBackends.Register();
        if (BackendFactory.Survey().First(b => b.Name == "ilgpu") is { IsAvailable: false } absent)
            Assert.Skip(absent.Detail);
        using var backend = IlgpuBackends.CreateOnDevice();
        foreach (var operation in Operations) Run(backend, operation.Data, 1);
    }

    // Every barrier of the emulation wakes operating system threads.
    private static bool IsLarge(OperationCase c) => c.Operation is "Linear" or "Bottleneck"
        && System.Text.RegularExpressions.Regex
        .Matches(c.Name, "(?<=[mkndb]=)[0-9]+").Aggregate(1.0, (product, m) => product * int.Parse(m.Value)) > 3000;

    private static void Run(IBackend backend, string operation, int step, Func<OperationCase, bool>? chosen = null)
    {
        IReadOnlyList<OperationCase> cases = [.. OperationCases.All().Where(c => c.Operation == operation
            && chosen?.Invoke(c) != false)];
        var verifier = new OperationVerifier(backend);
        foreach (var operationCase in OperationVerifier.EveryNth(cases, step)) verifier.Run(operationCase);
        Assert.Empty(verifier.Failures);
        Assert.True(verifier.Summaries.Single().Cases > 0);
    }
}
