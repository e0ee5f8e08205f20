using System.Diagnostics;
using Xunit;

namespace PeftNative.Cuda.Tests;

/// <summary>
/// The kernels compiled with AddressSanitizer and with ThreadSanitizer: this program once more, in a process of its own
/// that has the sanitizer from the start, with the small choice of operation cases.
/// </summary>
public sealed class SanitizerTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);

    [Theory]
    [InlineData("address")]
    [InlineData("thread")]
    public void The_kernels_run_in_silence(string sanitizer)
    {
        var (exitCode, output) = RunCases(sanitizer, "");
        Assert.True(exitCode == 0, output);
        Assert.DoesNotContain("Sanitizer", output);
        Assert.Contains("Failed: 0, Skipped: 0", output);
    }

    [Theory]
    [InlineData("address", "short_array", "AddressSanitizer")]
    [InlineData("thread", "dropped_barrier", "data race")]
    public void A_seeded_bug_is_reported(string sanitizer, string bug, string report)
    {
        var (exitCode, output) = RunCases(sanitizer, $"mutants/{bug}");
        Assert.NotEqual(0, exitCode);
        Assert.Contains(report, output);
    }

    private static (int ExitCode, string Output) RunCases(string sanitizer, string below)
    {
        Emulator.Require();
        var folder = Path.Combine(Emulator.Folder, sanitizer);
        var preload = Path.Combine(folder, "preload");
        if (!File.Exists(preload)) Assert.Skip($"not exercised: {folder} was not built (cmake -DPEFTNATIVE_CHECKS=ON)");
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true,
            RedirectStandardError = true };
        foreach (var argument in (string[])
            [typeof(SanitizerTests).Assembly.Location, "-noLogo", "-noColor", "-noAutoReporters",
                "-method", $"*.{nameof(OperationCaseTests.A_small_choice_of_cases_holds)}"])
            start.ArgumentList.Add(argument);
        start.Environment["LD_PRELOAD"] = File.ReadAllText(preload);
        start.Environment["PEFTNATIVE_NATIVE_DIR"] = Path.Combine(folder, below);
        // What .NET itself does is none of our business: it handles its own faults and keeps its memory until the end.
        start.Environment["ASAN_OPTIONS"] = "detect_leaks=0:handle_segv=0:use_sigaltstack=0";
        start.Environment["TSAN_OPTIONS"] = "halt_on_error=1:ignore_noninstrumented_modules=1:detect_deadlocks=0";
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(Limit))
        {
            process.Kill(true);
            Assert.Fail($"the cases under {sanitizer} did not end within {Limit}");
        }
        return (process.ExitCode, output.Result + errors.Result);
    }
}
