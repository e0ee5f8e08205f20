using System.Text.RegularExpressions;
using Xunit;

namespace PeftNative.Structure.Tests;

/// <summary>
/// docs/architecture.md is true: its rooms are those of src, knowledge goes up its table, its picture has all arrows.
/// What code knows is read from the symbols it names, not from its usings.
/// </summary>
public partial class ArchitectureTests
{
    private static readonly string Page = Sources.Text("docs/architecture.md")!.ReplaceLineEndings("\n");

    /// <summary>The rooms of the table, in its order, as the graph calls them: Formats/Json, Cli/Verbs.</summary>
    private static readonly string[] Table = [.. Row().Matches(Page).SelectMany(row =>
        Quoted().Matches(row.Value)).Select(m => m.Groups[1].Value == "src/PeftNative/*.cs" ? "." : m.Groups[1].Value)];

    [Fact]
    public void The_page_is_one_page() =>
        Assert.True(Page.Split('\n').Length <= 151 && Page.Split('\n').All(line => line.Length <= 120));

    [Fact]
    public void The_rooms_are_those_of_the_code()
    {
        Assert.All(RoomGraph.Here.Rooms, folder => Assert.True(RoomOf(folder, Table) is not null, folder));
        Assert.Empty(Table.Except(RoomGraph.Here.Rooms.Select(folder => RoomOf(folder, Table))));
    }

    [Fact]
    public void No_room_knows_one_further_down()
    {
        var down = RoomGraph.Here.AllArrows.Where(a => (a.Room, a.Known) != ("Tensors", "Ops")
            && Array.IndexOf(Table, RoomOf(a.Known, Table)) > Array.IndexOf(Table, RoomOf(a.Room, Table)));
        Assert.Empty(down.Select(a => $"{a.Room} knows {a.Known} ({a.Example})"));
    }

    [Fact]
    public void The_picture_has_all_arrows_and_no_others()
    {
        var boxes = Box().Matches(Page).ToDictionary(m => m.Groups[1].Value, m => m.Groups[2].Value.Split(", "));
        string[] rooms = [.. boxes.Values.SelectMany(r => r)];
        HashSet<(string From, string To)> real = [.. from a in RoomGraph.Here.AllArrows
            let arrow = (From: BoxOf(a.Room), To: BoxOf(a.Known))
            where arrow is { From: not null, To: not null } && arrow.From != arrow.To
            select (arrow.From, arrow.To)];
        (string From, string To)[] drawn = [.. from line in Arrow().Matches(Page)
            from start in Names(line.Groups[1].Value)
            from end in Names(line.Groups[2].Value)
            select (start, end)];
        Assert.True(drawn.Length > 20);
        Assert.Empty(drawn.Except(real));
        Assert.All(real, arrow => Assert.True(Reaches(arrow.From, arrow.To), $"{arrow.From} knows {arrow.To}"));

        // Files above all rooms, and random numbers, are not drawn.
        string? BoxOf(string folder) => RoomOf(folder, rooms) is { } room
            ? boxes.Single(box => box.Value.Contains(room)).Key : null;
        bool Reaches(string from, string to) => drawn.Any(a => a.From == from && (a.To == to || Reaches(a.To, to)));
    }

    // The innermost room: one stands for all folders below it, Peft/* for those below alone.
    private static string? RoomOf(string folder, string[] rooms) => rooms.Where(room => folder == room
        || folder.StartsWith(room.EndsWith("/*", StringComparison.Ordinal) ? room[..^1] : room + "/",
            StringComparison.Ordinal)).MaxBy(room => room.TrimEnd('*').Length);

    private static string[] Names(string side) =>
        Label().Replace(side, "").Split('&', StringSplitOptions.TrimEntries);

    [GeneratedRegex(@"^\| `[^|]+ \|", RegexOptions.Multiline)]
    private static partial Regex Row();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Quoted();

    [GeneratedRegex(@"(\w+)\[""([^""]+)""\]")]
    private static partial Regex Box();

    [GeneratedRegex(@"\[""[^""]+""\]")]
    private static partial Regex Label();

    [GeneratedRegex(@"^ +(\w.*) --> (.+)$", RegexOptions.Multiline)]
    private static partial Regex Arrow();
}
