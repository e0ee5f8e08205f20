using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace PeftNative.Structure.Tests;

/// <summary>Which folders of the core know which, by the symbols their code names; not by its using lines.</summary>
internal sealed class RoomGraph
{
    private readonly SortedDictionary<string, SortedDictionary<string, string>> known = new(StringComparer.Ordinal);

    private static readonly Lazy<RoomGraph> Core = new(() => new(Sources.Here));

    /// <summary>Reads the symbols of the whole core.</summary>
    private RoomGraph(Sources sources)
    {
        var compilation = sources.Compilation;
        var rooms = compilation.SyntaxTrees.ToDictionary(tree => tree, tree => Room(tree.FilePath));
        foreach (var room in rooms.Values.Distinct()) known[room] = new(StringComparer.Ordinal);
        foreach (var tree in compilation.SyntaxTrees)
        {
            var model = compilation.GetSemanticModel(tree);
            foreach (var name in tree.GetRoot().DescendantNodes().OfType<SimpleNameSyntax>())
                foreach (var other in Declaring(model.GetSymbolInfo(name).Symbol).Select(t => rooms[t]).Distinct())
                    if (other != rooms[tree])
                        known[rooms[tree]].TryAdd(other, $"{Path.GetFileName(tree.FilePath)}: {name}");
        }
    }

    /// <summary>That of the core of this repository, read once.</summary>
    public static RoomGraph OfCore => Core.Value;

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

    /// <summary>An example of each arrow inside a circle.</summary>
    public IEnumerable<string> Arrows(IReadOnlyList<string> circle) => circle.SelectMany(room => known[room]
        .Where(arrow => circle.Contains(arrow.Key)).Select(arrow => $"{room} -> {arrow.Key} ({arrow.Value})"));

    // A type that is a part of itself (partial) has several places; the symbol belongs to the one it is written in.
    private static IEnumerable<SyntaxTree> Declaring(ISymbol? symbol) => symbol is null or INamespaceSymbol
        ? []
        : symbol.DeclaringSyntaxReferences.Select(reference => reference.SyntaxTree);

    // A method of Peft is one room with all below it.
    private static string Room(string path)
    {
        var folder = path.Contains('/', StringComparison.Ordinal) ? path[..path.LastIndexOf('/')] : "";
        if (folder.Length <= "src/PeftNative".Length) return ".";
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
