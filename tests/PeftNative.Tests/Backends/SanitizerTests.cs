using System.Diagnostics;
using PeftNative.Backends.NativeCpu;
using Xunit;

namespace PeftNative.Tests.Backends;

/// <summary>
/// The native CPU library compiled with AddressSanitizer and UndefinedBehaviorSanitizer: this program once more, in a
/// process of its own that has the sanitizers from the start, with the small choice of operation cases on every
/// instruction set.
/// </summary>
[Trait("Pace", "slow")]
public sealed class SanitizerTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);

    [Fact]
    public void The_native_library_runs_in_silence()
    {
        var (exitCode, output) = RunCases();
        Assert.True(exitCode == 0, output);
        Assert.DoesNotContain("runtime error", output);
        Assert.Contains("Failed: 0", output);
        // Instruction sets that the machine lacks are skipped there; a library that was not loaded would skip all.
        Assert.DoesNotContain("the native CPU backend (", output);
    }

    private static (int ExitCode, string Output) RunCases()
    {
        var folder = CheckedFolder();
        if (!File.Exists(Path.Combine(folder, "libpeftnative_cpu.so")))
            Assert.Skip($"not exercised: {folder} was not built (cmake -DPEFTNATIVE_CHECKS=ON)");
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true,
            RedirectStandardError = true };
        foreach (var argument in (string[])
            [typeof(SanitizerTests).Assembly.Location, "-noLogo", "-noColor", "-noAutoReporters",
                "-method", $"*.{nameof(NativeCpuTests)}.{nameof(NativeCpuTests.A_small_choice_of_cases_holds)}"])
            start.ArgumentList.Add(argument);
        start.Environment["LD_PRELOAD"] = File.ReadAllText(Path.Combine(folder, "preload"));
        start.Environment[CpuLibrary.FolderVariable] = folder;
        // What .NET itself does is none of our business: it handles its own faults and keeps its memory until the end.
        start.Environment["ASAN_OPTIONS"] = "detect_leaks=0:handle_segv=0:use_sigaltstack=0";
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(Limit))
        {
            process.Kill(true);
            Assert.Fail($"the cases under the sanitizers did not end within {Limit}");
        }
        return (process.ExitCode, output.Result + errors.Result);
    }

    // artifacts/native/address, seen from artifacts/bin/PROJECT/CONFIGURATION.
    private static string CheckedFolder() =>
        Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "..", "..", "..", "native", "address"));
}
