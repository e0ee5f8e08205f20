using PeftNative.Cuda.Driver;
using PeftNative.Ops.Cases;
using PeftNative.Tensors;
using Xunit;

namespace PeftNative.Cuda.Tests;

/// <summary>The CUDA backend on the emulated driver against the reference in fp64.</summary>
public sealed class OperationCaseTests
{
    private static readonly ILookup<string, OperationCase> Cases = OperationCases.All().ToLookup(c => c.Operation);

    public static TheoryData<string> Operations => new(Cases.Select(c => c.Key));

    [Theory]
    [MemberData(nameof(Operations))]
    public void All_cases_hold_in_fp32(string operation) => Run(operation, DType.Float32);

    [Theory]
    [MemberData(nameof(Operations))]
    public void All_cases_hold_in_bf16(string operation) => Run(operation, DType.BFloat16);

    private static void Run(string operation, DType type)
    {
        if (DriverLibraries.Find(true, out var problem) is null) Assert.Skip($"not exercised: the emulated CUDA driver ({problem})");
        using var backend = CudaBackend.Create(type, emulated: true);
        var failures = Cases[operation]
            .Select(c => (Case: c, Result: c.Run(backend)))
            .Where(r => !r.Result.Passed)
            .Select(r => $"{r.Case.Name}: {r.Result.Failure}")
            .ToList();
        Assert.True(failures.Count == 0, $"{failures.Count} of {Cases[operation].Count()} cases failed\n" +
            string.Join('\n', failures.Take(20)));
    }
}
