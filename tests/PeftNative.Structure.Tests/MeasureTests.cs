using Xunit;

namespace PeftNative.Structure.Tests;

/// <summary>
/// The measures of the house: none that has a limit may grow, and a table of all is left in artifacts/structure.md.
/// </summary>
public class MeasureTests
{
    public static TheoryData<string> Limited => [.. Measure.All.Where(m => m.Limit is not null).Select(m => m.Name)];

    [Theory]
    [MemberData(nameof(Limited))]
    public void A_measure_does_not_grow(string name)
    {
        var measure = Measure.All.Single(m => m.Name == name);
        var found = measure.Count(Sources.Here);
        Assert.True(found.Count <= measure.Limit,
            $"{name}: {found.Count}, and {measure.Limit} was the limit. The last of "
                + $"them:\n{string.Join('\n', found.TakeLast(20))}");
    }

    [Fact]
    public void The_measures_are_shown()
    {
        var rows = Measure.All.Select(
            m => $"| {m.Name} | {m.Count(Sources.Here).Count} | {m.Limit?.ToString() ?? "-"} | {m.Goal} |");
        string[] circles = [.. Circles()];
        File.WriteAllLines(Sources.TablePath,
            ["| measure | now | limit | goal |", "|---|---|---|---|", .. rows, .. SizeOfTheCore(), "",
                "Circles between rooms:", "", .. circles]);
        TestContext.Current.TestOutputHelper?.WriteLine(File.ReadAllText(Sources.TablePath));
        Assert.NotEmpty(Sources.Here.Core);
    }

    // It is there where the solution was built as the tests were.
    private static IEnumerable<string> SizeOfTheCore()
    {
        var file = new FileInfo(Path.Combine(Sources.TablePath, "../bin/PeftNative/release/PeftNative.dll"));
        if (file.Exists) yield return $"| kilobytes of the core's dll | {file.Length >> 10} | - | - |";
    }

    private static IEnumerable<string> Circles() => RoomGraph.Here.Circles().Select(circle =>
        $"- {string.Join(", ", circle)}:\n  {string.Join("\n  ", RoomGraph.Here.Arrows(circle))}");
}
