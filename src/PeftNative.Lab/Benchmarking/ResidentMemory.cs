using System.Globalization;

namespace PeftNative.Lab.Benchmarking;

/// <summary>
/// The memory of this process that is resident, in bytes, as Linux tells it; elsewhere all 0. Pages of mapped files
/// count only while this process has them; the system's cache of the files counts nowhere.
/// </summary>
/// <param name="Peak">The most of both that there ever was (VmHWM).</param>
/// <param name="Anonymous">Memory of its own, now (RssAnon).</param>
/// <param name="Mapped">Pages of mapped files, the program's own included, now (RssFile).</param>
internal readonly record struct ResidentMemory(long Peak, long Anonymous, long Mapped)
{
    private const string Status = "/proc/self/status", Reset = "/proc/self/clear_refs";

    /// <summary>As it is now.</summary>
    public static ResidentMemory Now()
    {
        if (!File.Exists(Status)) return default;
        var lines = File.ReadAllLines(Status);
        return new ResidentMemory(Of("VmHWM:"), Of("RssAnon:"), Of("RssFile:"));

        long Of(string field) => Array.Find(lines, l => l.StartsWith(field, StringComparison.Ordinal)) is { } line
            ? long.Parse(line[field.Length..].Trim().Split(' ')[0], CultureInfo.InvariantCulture) << 10 : 0;
    }

    /// <summary>Lets the peak begin from what is resident now, where the system can.</summary>
    public static void ForgetPeak()
    {
        try
        {
            if (File.Exists(Reset)) File.WriteAllText(Reset, "5");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The peak then includes what was before.
        }
    }
}
