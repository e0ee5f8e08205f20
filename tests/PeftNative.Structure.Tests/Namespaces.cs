using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace PeftNative.Structure.Tests;

/// <summary>
/// Whether a file's namespace is its folder's. The parts of a partial class stay with their class, which cannot be in
/// two namespaces: a file is in its place when any part of one of its types is.
/// </summary>
internal static class Namespaces
{
    /// <summary>Files of src whose namespace is another one.</summary>
    public static IReadOnlyList<string> Misplaced(Sources sources)
    {
        var declared = Declared(sources.Below("src"));
        var homes = Homes(declared);
        return [.. declared.Where(d => !d.IsPlaced && !d.Partial.Any(homes.ContainsKey)).Select(d => d.File.Path)];
    }

    /// <summary>The room of each file: its folder, or that of its class where it is a part of one.</summary>
    public static Dictionary<string, string> Rooms(IEnumerable<SourceFile> files)
    {
        SourceFile[] all = [.. files];
        var rooms = all.ToDictionary(file => file.Path, file => file.Folder);
        var declared = Declared(all);
        var homes = Homes(declared);
        foreach (var part in declared.Where(d => !d.IsPlaced))
            if (part.Partial.FirstOrDefault(homes.ContainsKey) is { } type) rooms[part.File.Path] = homes[type];
        return rooms;
    }

    private static List<Declaration> Declared(IEnumerable<SourceFile> files)
    {
        List<Declaration> found = [];
        foreach (var file in files)
        {
            var root = CSharpSyntaxTree.ParseText(file.Text).GetRoot();
            if (root.DescendantNodes().OfType<BaseNamespaceDeclarationSyntax>().FirstOrDefault() is not { } space)
                continue;
            var partial = space.Members.OfType<TypeDeclarationSyntax>()
                .Where(type => type.Modifiers.Any(m => m.IsKind(SyntaxKind.PartialKeyword)));
            found.Add(new(file, space.Name.ToString(), [.. partial.Select(type => $"{space.Name}.{type.Identifier}")]));
        }
        return found;
    }

    private static Dictionary<string, string> Homes(List<Declaration> declared) => declared.Where(d => d.IsPlaced)
        .SelectMany(d => d.Partial.Select(type => (type, d.File.Folder))).DistinctBy(home => home.type)
        .ToDictionary(home => home.type, home => home.Folder);

    private sealed record Declaration(SourceFile File, string Namespace, string[] Partial)
    {
        public bool IsPlaced => Namespace == File.Folder["src/".Length..].Replace('/', '.');
    }
}
