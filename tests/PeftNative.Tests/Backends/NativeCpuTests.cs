using PeftNative.Backends.NativeCpu;
using PeftNative.Lab.Cases;
using PeftNative.Ops;
using PeftNative.Tensors;
using Xunit;

namespace PeftNative.Tests.Backends;

/// <summary>The native CPU backend against the reference in fp64, on every instruction set of the machine.</summary>
public sealed class NativeCpuTests
{
    private static readonly ILookup<string, OperationCase> Cases = OperationCases.All()
        .Concat(OperationCases.WithCodes()).ToLookup(c => c.Operation);

    public static TheoryData<string, DType, string> OperationsOnInstructionSets => new(
        from set in new[] { "portable", "avx2", "avx512", "avx512bf16" }
        from type in new[] { DType.Float32, DType.BFloat16 }
        from c in Cases
        select (set, type, c.Key));

    [Trait("Pace", "slow")]
    [Theory]
    [MemberData(nameof(OperationsOnInstructionSets))]
    public void All_cases_hold_with_the_same_bits_for_1_2_and_3_threads(string instructionSet, DType type,
        string operation)
    {
        using var one = Open(instructionSet, 1, type);
        using var two = Open(instructionSet, 2, type);
        using var three = Open(instructionSet, 3, type);
        var failures = Cases[operation]
            .Select(c => (Case: c, Result: c.Run(one, twins: [two, three])))
            .Where(r => !r.Result.Passed)
            .Select(r => $"{r.Case.Name}: {r.Result.Failure}")
            .ToList();
        Assert.True(failures.Count == 0, $"{failures.Count} of {Cases[operation].Count()} cases failed\n" +
            string.Join('\n', failures.Take(20)));
    }

    public static TheoryData<DType, string> InstructionSets => new(
        from type in new[] { DType.Float32, DType.BFloat16 }
        from set in new[] { "portable", "avx2", "avx512", "avx512bf16" }
        select (type, set));

    /// <summary>What the sanitizers are shown: some cases of every operation.</summary>
    [Theory]
    [MemberData(nameof(InstructionSets))]
    public void A_small_choice_of_cases_holds(DType type, string instructionSet)
    {
        const int Every = 20;
        using var one = Open(instructionSet, 1, type);
        using var two = Open(instructionSet, 2, type);
        // And all with few buckets of relative positions, whose table is made from numbers that a config.json holds.
        bool IsChosen(OperationCase c, int i) => i % Every == 0
            || c.Name.Contains("maxDistance=", StringComparison.Ordinal);
        var failures = Cases.SelectMany(operation => operation.Where(IsChosen))
            .Select(c => (Case: c, Result: c.Run(one, twins: two)))
            .Where(r => !r.Result.Passed)
            .Select(r => $"{r.Case.Name}: {r.Result.Failure}")
            .ToList();
        Assert.True(failures.Count == 0, string.Join('\n', failures.Take(20)));
    }

    [Fact]
    public void A_wrong_shape_is_refused_with_operation_operand_and_both_shapes()
    {
        using var backend = Open(null, 1);
        using var arena = new Arena(backend, "test");
        var op = new GateOp { X = arena.Allocate(DType.Float32, 2, 3), Y = arena.Allocate(DType.Float32, 2, 4) };
        var error = Assert.Throws<UsageException>(() => backend.Forward(op));
        Assert.Contains("gate forward: Y is [2, 4]", error.Message);
        Assert.Contains("expected [2, 3]", error.Message);
    }

    [Fact]
    public unsafe void A_label_outside_the_vocabulary_is_refused()
    {
        using var backend = Open(null, 1);
        using var arena = new Arena(backend, "test");
        var labels = arena.Allocate(DType.Int32, 1, 1);
        *(int*)labels.Pointer = 5;
        var op = new CrossEntropyOp
        {
            Logits = arena.Allocate(DType.Float32, 1, 5), Labels = labels, Loss = arena.Allocate(DType.Float32, 1, 1),
        };
        var error = Assert.Throws<DataException>(() => backend.Run(op));
        Assert.Contains("cross-entropy: Labels[0] is 5, outside [0, 5)", error.Message);
    }

    [Fact]
    public void An_unknown_instruction_set_is_refused_by_name()
    {
        SkipWithoutLibrary();
        var error = Assert.Throws<UsageException>(() => NativeCpuBackend.Create(1, "sse9"));
        Assert.Contains("no instruction set sse9", error.Message);
    }

    [Fact]
    public void The_description_names_the_instruction_set_and_the_threads()
    {
        using var backend = Open("portable", 3);
        Assert.EndsWith("portable, 3 threads", backend.Description);
    }

    [Fact]
    public void Too_much_memory_is_refused_with_its_purpose()
    {
        using var backend = Open(null, 1);
        var error = Assert.Throws<ResourceException>(() => backend.Allocate(long.MaxValue / 2, "the impossible"));
        Assert.Equal("the impossible", error.Where);
    }

    /// <summary>Opens the backend, or skips the test by name where library or instruction set is absent.</summary>
    private static NativeCpuBackend Open(string? instructionSet, int threads, DType type = DType.Float32)
    {
        SkipWithoutLibrary();
        try
        {
            return NativeCpuBackend.Create(threads, instructionSet, type);
        }
        catch (UsageException e) when (instructionSet is not null)
        {
            Assert.Skip($"not exercised: {instructionSet} ({e.Message})");
            throw;
        }
    }

    private static void SkipWithoutLibrary()
    {
        if (!NativeCpuBackend.IsAvailable(out var reason))
            Assert.Skip($"not exercised: the native CPU backend ({reason})");
    }
}
