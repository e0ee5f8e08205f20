using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace PeftNative.Lab.Benchmarking;

/// <summary>What a reader must know about the machine that numbers come from.</summary>
internal static class MachineDescription
{
    /// <summary>One line: processor, cores, memory, system, runtime.</summary>
    public static string Line => $"{Processor()}, {Environment.ProcessorCount} cores, "
        + $"{GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / (double)(1L << 30):0.#} GiB, "
        + $"{RuntimeInformation.OSDescription.Trim()}, .NET {Environment.Version}";

    /// <summary>The largest resident set of this process so far.</summary>
    public static long PeakResidentBytes()
    {
        const string Status = "/proc/self/status", Field = "VmHWM:";
        if (!File.Exists(Status))
        {
            using var process = Process.GetCurrentProcess();
            return process.PeakWorkingSet64;
        }
        var line = File.ReadLines(Status).First(l => l.StartsWith(Field, StringComparison.Ordinal));
        return long.Parse(line[Field.Length..].Trim().Split(' ')[0], CultureInfo.InvariantCulture) << 10;
    }

    private static string Processor()
    {
        const string Info = "/proc/cpuinfo";
        var line = File.Exists(Info) ? File.ReadLines(Info)
            .FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal)) : null;
        return line?[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim()
            ?? Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER")
            ?? RuntimeInformation.ProcessArchitecture.ToString();
    }
}
