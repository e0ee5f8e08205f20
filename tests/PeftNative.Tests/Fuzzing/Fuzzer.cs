using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using PeftNative.Tests.Formats;
using Xunit;

namespace PeftNative.Tests.Fuzzing;

/// <summary>
/// Loads damaged files: each must load or be refused by a typed error that names the file, soon and with bounded
/// memory. The file of a number is always the same. PEFTNATIVE_FUZZ says how many (10,000), PEFTNATIVE_FUZZ_FIRST the
/// number of the first, which repeats one that failed.
/// </summary>
internal sealed partial class Fuzzer(ITestOutputHelper output, int seed) : IDisposable
{
    // A file takes milliseconds; a machine may be busy with other things.
    private const int Usual = 10_000, MostSeconds = 60, Shown = 25;
    private const long MostBytes = 64 << 20;

    private readonly ScratchFolder scratch = new();
    private readonly Dictionary<string, int> errors = [];

    /// <summary>The folder of the files.</summary>
    internal ScratchFolder Scratch => scratch;

    /// <summary>How many are made.</summary>
    internal static int Count => Number("PEFTNATIVE_FUZZ", Usual);

    /// <summary>Makes and loads all of them.</summary>
    /// <param name="make">Makes one; returns the path that it is loaded from.</param>
    /// <param name="load">Loads it; must not take more than 64 MB.</param>
    /// <param name="kinds">In how many ways they must be refused at least, or the damage is too tame.</param>
    internal void Run(Func<Random, string> make, Action<string> load, int kinds)
    {
        var (first, loaded) = (Number("PEFTNATIVE_FUZZ_FIRST", 0), 0);
        var clock = Stopwatch.StartNew();
        for (var i = first; i < first + Count; i++)
            if (Load(i, make(new Random(HashCode(i))), load) is not { } error) loaded++;
            else errors[error] = errors.GetValueOrDefault(error) + 1;
        output.WriteLine($"seed {seed}, {Count} files in {clock.Elapsed.TotalSeconds:0.0} s: {loaded} loaded, "
            + $"{errors.Values.Sum()} refused in {errors.Count} ways");
        foreach (var (error, count) in errors.OrderByDescending(e => e.Value).Take(Shown))
            output.WriteLine($"{count,7} {error}");
        if (Count < Usual) return;
        Assert.InRange(loaded, Count / 100, Count * 9 / 10);
        Assert.True(errors.Count >= kinds, $"refused in {errors.Count} ways");
    }

    /// <inheritdoc/>
    public void Dispose() => scratch.Dispose();

    private string? Load(int number, string path, Action<string> load)
    {
        var (before, clock) = (GC.GetAllocatedBytesForCurrentThread(), Stopwatch.StartNew());
        string? error = null;
        try
        {
            load(path);
        }
        catch (ModelFormatException e)
        {
            Assert.True(e.Where?.Contains(scratch.Root, StringComparison.Ordinal) == true,
                $"{Repeat(number)}: the error does not name the file: {e.Message}");
            error = Variable().Replace(e.What, "_");
        }
        catch (NumericException e)
        {
            error = Variable().Replace(e.What, "_");
        }
        catch (Exception e)
        {
            Assert.Fail($"{Repeat(number)}: {e}");
        }
        var bytes = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(bytes < MostBytes, $"{Repeat(number)}: it took {bytes} bytes");
        Assert.True(clock.Elapsed.TotalSeconds < MostSeconds, $"{Repeat(number)}: it took {clock.Elapsed}");
        return error;
    }

    private static string Repeat(int number) => $"PEFTNATIVE_FUZZ=1 PEFTNATIVE_FUZZ_FIRST={number}";

    // The same in every process, other than System.HashCode's.
    private int HashCode(int number) => unchecked((int)((uint)number * 2654435761u) ^ seed * 40503);

    private static int Number(string variable, int usual) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), CultureInfo.InvariantCulture, out var number)
            ? number : usual;

    // The parts of a message that depend on the file.
    [GeneratedRegex(@"'[^']*'|-?\d+|\[[^\]]*\]|JSON: .*|found .*", RegexOptions.Singleline)]
    private static partial Regex Variable();
}
