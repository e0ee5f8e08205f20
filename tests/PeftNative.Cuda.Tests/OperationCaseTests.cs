using PeftNative.Cuda.Products;
using PeftNative.Lab.Cases;
using PeftNative.Tensors;
using Xunit;

namespace PeftNative.Cuda.Tests;

/// <summary>The CUDA backend on the emulated driver against the reference in fp64.</summary>
public sealed class OperationCaseTests
{
    private const int SmallChoice = 40;

    private static readonly ILookup<string, OperationCase> Cases = OperationCases.All().ToLookup(c => c.Operation);

    public static TheoryData<string> Operations => new(Cases.Select(c => c.Key));

    [Theory]
    [MemberData(nameof(Operations))]
    public void All_cases_hold_in_fp32(string operation) => Run(operation, 1, DType.Float32);

    [Theory]
    [MemberData(nameof(Operations))]
    public void Half_of_the_cases_hold_in_bf16(string operation) => Run(operation, 2, DType.BFloat16);

    [Theory]
    [MemberData(nameof(Operations))]
    public void A_choice_of_cases_that_fit_into_fp16_holds(string operation) => Run(operation, 3, DType.Float16);

    /// <summary>
    /// So few that they can be run under a sanitizer as well, which <see cref="SanitizerTests"/> does.
    /// </summary>
    [Theory]
    [MemberData(nameof(Operations))]
    public void A_small_choice_of_cases_holds(string operation)
    {
        Run(operation, SmallChoice, DType.Float32);
        Run(operation, SmallChoice, DType.BFloat16);
    }

    /// <summary>
    /// Products by a library, which only large matrices and pairs of many rows have by themselves. In bf16 S and dS are
    /// rounded, so integers are not exact.
    /// </summary>
    [Theory]
    [InlineData(DType.Float32, "first", 1)]
    [InlineData(DType.BFloat16, "first", 1)]
    [InlineData(DType.Float32, "off", 5)]
    public void Products_of_any_size_may_be_left_to_a_library(DType type, string cublasLt, int step)
    {
        using var mode = new Variable(CublasLtOptions.ModeVariable, cublasLt);
        using var backend = Emulator.Open(type);
        backend.SmallestTallProduct = 0;
        backend.Products.SmallestProduct = 1;
        var fitting = Cases["Linear"].Where(c => type == DType.Float32
            || !c.Name.Contains("(integers", StringComparison.Ordinal));
        var chosen = fitting.Where((_, i) => i % step == 0).ToList();
        var failures = chosen.Select(c => (c.Name, c.Run(backend).Failure)).Where(r => r.Failure is not null).ToList();
        Assert.True(failures.Count == 0,
            $"{failures.Count} of {chosen.Count} cases failed\n{string.Join('\n', failures.Take(20))}");
    }

    /// <summary>
    /// Threads and blocks in another order must not change a bit: whoever relies on an order has a race.
    /// </summary>
    [Theory]
    [MemberData(nameof(Operations))]
    public void Four_schedules_give_the_same_bits(string operation)
    {
        foreach (var schedule in Emulator.Schedules[1..])
        {
            using var twin = new ScheduledBackend(Emulator.Open(), schedule);
            Run(operation, 6, DType.Float32, twin);
        }
    }

    /// <summary>Every <paramref name="step"/>th case of an operation.</summary>
    private static void Run(string operation, int step, DType type, ScheduledBackend? twin = null)
    {
        using var backend = new ScheduledBackend(Emulator.Open(type), "forward");
        var fitting = Cases[operation].Where(c => type != DType.Float16 || !HasLargeValues(c));
        var chosen = fitting.Where((_, i) => i % step == 0).ToList();
        var failures = chosen
            .Select(c => (Case: c, Result: c.Run(backend, twins: twin is null ? [] : [twin])))
            .Where(r => !r.Result.Passed)
            .Select(r => $"{r.Case.Name}: {r.Result.Failure}")
            .ToList();
        Assert.True(failures.Count == 0,
            $"{failures.Count} of {chosen.Count} cases failed{(twin is null ? "" : $" ({twin.Description})")}\n" +
            string.Join('\n', failures.Take(20)));
    }

    /// <summary>Whether inputs are drawn that fp16, which ends at 65504, cannot hold the products of.</summary>
    private static bool HasLargeValues(OperationCase c) =>
        c.Name.Contains("(mixed", StringComparison.Ordinal)
        || c.Name.Contains("(adversarial", StringComparison.Ordinal);
}
