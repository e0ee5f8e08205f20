using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace PeftNative.Structure.Tests;

/// <summary>Which folders of src know which, by the symbols their code names; not by its using lines.</summary>
internal sealed class RoomGraph
{
    private readonly SortedDictionary<string, SortedDictionary<string, string>> known = new(StringComparer.Ordinal);
    private readonly SortedSet<string> usedOfPass = new(StringComparer.Ordinal);

    private static readonly Lazy<RoomGraph> Whole = new(() => new(Sources.Here));

    /// <summary>Reads the symbols of all projects.</summary>
    private RoomGraph(Sources sources)
    {
        var compilation = sources.Compilation;
        var folders = Namespaces.Rooms(sources.Product);
        var rooms = compilation.SyntaxTrees.Where(tree => folders.ContainsKey(tree.FilePath))
            .ToDictionary(tree => tree, tree => Room(folders[tree.FilePath]));
        foreach (var room in rooms.Values.Distinct()) known[room] = new(StringComparer.Ordinal);
        var named = compilation.SyntaxTrees.Where(rooms.ContainsKey).AsParallel().AsOrdered()
            .Select(tree => (Tree: tree, Uses: Uses(compilation, tree))).AsSequential();
        foreach (var (tree, uses) in named)
            foreach (var (name, symbol) in uses)
            {
                foreach (var other in Declaring(symbol).Where(rooms.ContainsKey).Select(t => rooms[t]).Distinct())
                    if (other != rooms[tree])
                        known[rooms[tree]].TryAdd(other, $"{Path.GetFileName(tree.FilePath)}: {name}");
                if (symbol?.ContainingType is { Name: "Pass" } pass && !Declaring(pass).Contains(tree))
                    usedOfPass.Add(symbol.Name);
            }
    }

    /// <summary>The rooms: folders, but for those that stand for all below them.</summary>
    public IEnumerable<string> Rooms => known.Keys;

    /// <summary>The members of Pass that other files name.</summary>
    public IReadOnlyList<string> UsedOfPass => [.. usedOfPass];

    /// <summary>That of this repository, read once.</summary>
    public static RoomGraph Here => Whole.Value;

    /// <summary>For each group of rooms that reach each other: its rooms, ordered.</summary>
    public IReadOnlyList<IReadOnlyList<string>> Circles()
    {
        var reach = known.Keys.ToDictionary(room => room, Reachable);
        return [.. known.Keys
            .Select(room => (IReadOnlyList<string>)[.. known.Keys.Where(o => reach[room].Contains(o)
                && reach[o].Contains(room))])
            .Where(group => group.Count > 1)
            .DistinctBy(group => group[0])];
    }

    /// <summary>Every arrow: a room, one that it knows, and an example.</summary>
    public IEnumerable<(string Room, string Known, string Example)> AllArrows =>
        known.SelectMany(room => room.Value.Select(arrow => (room.Key, arrow.Key, arrow.Value)));

    /// <summary>An example of each arrow inside a circle.</summary>
    public IEnumerable<string> Arrows(IReadOnlyList<string> circle) => circle.SelectMany(room => known[room]
        .Where(arrow => circle.Contains(arrow.Key)).Select(arrow => $"{room} -> {arrow.Key} ({arrow.Value})"));

    // Where a package's types are missing, an overload may not be found: then the first that could be meant.
    private static (string Name, ISymbol? Symbol)[] Uses(Compilation compilation, SyntaxTree tree)
    {
        var model = compilation.GetSemanticModel(tree);
        return [.. tree.GetRoot().DescendantNodes().OfType<SimpleNameSyntax>()
            .Select(name => (name.ToString(), model.GetSymbolInfo(name)))
            .Select(n => (n.Item1, n.Item2.Symbol ?? n.Item2.CandidateSymbols.FirstOrDefault()))];
    }

    // A type that is a part of itself (partial) has several places; the symbol belongs to the one it is written in.
    private static IEnumerable<SyntaxTree> Declaring(ISymbol? symbol) => symbol is null or INamespaceSymbol
        ? []
        : symbol.DeclaringSyntaxReferences.Select(reference => reference.SyntaxTree);

    // Folders of the core by their names, those of other projects after the project's: Formats/Json, Cli/Verbs. A
    // method of Peft is one room with all below it, and so is the template engine: values, their methods and what runs
    // them call each other, as Python's do.
    private static string Room(string folder)
    {
        if (folder == "src/PeftNative") return ".";
        if (folder.StartsWith("src/PeftNative.Jinja", StringComparison.Ordinal)) return "Jinja";
        var room = folder["src/PeftNative/".Length..];
        return room.StartsWith("Peft/", StringComparison.Ordinal) ? string.Join('/', room.Split('/')[..2]) : room;
    }

    private HashSet<string> Reachable(string from)
    {
        var (seen, left) = (new HashSet<string>(), new Stack<string>([from]));
        while (left.TryPop(out var room))
            foreach (var next in known[room].Keys)
                if (seen.Add(next)) left.Push(next);
        return seen;
    }
}
