using PeftNative.Backends.Reference;
using PeftNative.Lab.Cases;
using PeftNative.Tensors;
using Xunit;

namespace PeftNative.Tests.Ops;

/// <summary>The cases must fail on a backend that is wrong.</summary>
[Trait("Pace", "slow")]
public sealed class HarnessTests
{
    public static TheoryData<string, Fault> Faults
    {
        get
        {
            var data = new TheoryData<string, Fault>();
            foreach (var operation in OperationCases.All().Select(c => c.Operation).Distinct())
                foreach (var fault in Enum.GetValues<Fault>())
                    data.Add(operation, fault);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Faults))]
    public void A_fault_in_any_output_makes_cases_fail(string operation, Fault fault)
    {
        var cases = OperationCases.All()
            .Where(c => c.Operation == operation && c.Name.Contains("strided"))
            .Take(20)
            .ToList();
        var applied = 0;
        List<string> wrong = [];
        foreach (var (i, @case) in cases.Index())
        {
            using var backend = new FaultyBackend(DType.Float32, fault, i);
            var passed = @case.Run(backend).Passed;
            if (passed != (backend.Faults == 0)) wrong.Add($"{@case.Name} {(passed ? "passed" : "failed")}");
            applied += backend.Faults > 0 ? 1 : 0;
        }
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
        var expected = fault == Fault.None || IsImpossible(operation, fault) ? 0 : cases.Count / 3;
        Assert.True(applied >= expected, $"the fault was there in only {applied} of {cases.Count} cases");
    }

    [Fact]
    public void A_twin_that_gives_other_bits_makes_a_case_fail()
    {
        var @case = OperationCases.All().First(c => c.Name.StartsWith("Linear(uniform", StringComparison.Ordinal));
        using var backend = ReferenceBackend.Create(DType.Float32);
        using var twin = ReferenceBackend.Create(DType.Float32);
        using var other = new FaultyBackend(DType.Float32, Fault.Unstable, 0);
        Assert.True(@case.Run(backend, twins: twin).Passed);
        Assert.Contains("the twin", @case.Run(backend, twins: other).Failure);
    }

    // A number has no neighbours that could be overwritten.
    private static bool IsImpossible(string operation, Fault fault) =>
        operation == "SumOfSquares" && fault is Fault.WriteInFront or Fault.WriteBehind;
}
