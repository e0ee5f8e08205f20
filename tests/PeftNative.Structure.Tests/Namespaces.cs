using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace PeftNative.Structure.Tests;

/// <summary>Whether a file's namespace is its folder's.</summary>
internal static class Namespaces
{
    /// <summary>
    /// Files of src whose namespace is another one. The parts of a partial class stay with their class, which cannot
    /// be in two namespaces: a file is in its place when any part of one of its types is.
    /// </summary>
    public static IReadOnlyList<string> Misplaced(Sources sources)
    {
        List<(SourceFile File, string Namespace, string[] Partial)> found = [];
        foreach (var file in sources.Below("src"))
        {
            var root = CSharpSyntaxTree.ParseText(file.Text).GetRoot();
            if (root.DescendantNodes().OfType<BaseNamespaceDeclarationSyntax>().FirstOrDefault() is not { } space)
                continue;
            var partial = space.Members.OfType<TypeDeclarationSyntax>()
                .Where(type => type.Modifiers.Any(m => m.IsKind(SyntaxKind.PartialKeyword)));
            found.Add((file, space.Name.ToString(), [.. partial.Select(type => $"{space.Name}.{type.Identifier}")]));
        }
        var placed = found.Where(IsPlaced).SelectMany(f => f.Partial).ToHashSet();
        return [.. found.Where(f => !IsPlaced(f) && !f.Partial.Any(placed.Contains)).Select(f => f.File.Path)];
    }

    private static bool IsPlaced((SourceFile File, string Namespace, string[] Partial) found) =>
        found.Namespace == found.File.Folder["src/".Length..].Replace('/', '.');
}
